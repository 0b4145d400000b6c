// Two pictures of numbers, drawn as SVG: columns over days, and bars side by side. Each has its numbers as a table for
// those who do not see the picture.
import { useState } from "react";
import { number } from "./shown";

interface Series {
  name: string;
  className: string;
}

interface ColumnsProps {
  title: string;
  /** A value is missing where none is known. */
  days: { label: string; values: (number | undefined)[] }[];
  series: Series[];
  show?: (value: number) => string;
  /** What the legend says of a series while no day is pointed at. */
  whole?: (values: number[]) => number;
  /** A round number that is not below the greatest value. */
  round?: (value: number) => number;
}

const HEIGHT = 150;
const STEP = 40;

function ceiling(value: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
  return [1, 2, 5, 10].map((each) => each * power).find((each) => each >= value) ?? 1;
}

/** The same for bytes: round in the unit in which they are shown. */
export function ceilingOfBytes(value: number): number {
  const unit = 1024 ** Math.floor(Math.log2(Math.max(value, 1)) / 10);
  return value / unit > 500 ? 1024 * unit : ceiling(value / unit) * unit;
}

const sum = (values: number[]): number => values.reduce((total, value) => total + value, 0);

export function Columns({ title, days, series, show = number, whole = sum, round = ceiling }: ColumnsProps) {
  const [shown, setShown] = useState<number>();
  const known = (values: (number | undefined)[]) => values.filter((value) => value !== undefined);
  const told = (value: number | undefined) => (value === undefined ? "—" : show(value));
  const top = round(Math.max(4, ...known(days.flatMap((day) => day.values))));
  const width = days.length * STEP;
  const bar = (STEP - 14) / series.length;
  const day = shown === undefined ? undefined : days[shown];
  const every = Math.ceil(days.length / 7);
  return (
    <figure className="columns">
      <figcaption>
        <span className="legend">
          {series.map((each, place) => (
            <span key={each.name}>
              <i className={each.className} aria-hidden="true" />
              {each.name} <strong>{told(day ? day.values[place] : whole(known(days.map((one) => one.values[place]))))}</strong>
            </span>
          ))}
        </span>
        <span className="muted">{day?.label ?? `${days[0]?.label} – ${days.at(-1)?.label}`}</span>
      </figcaption>
      <svg viewBox={`-60 -8 ${width + 64} ${HEIGHT + 32}`} aria-hidden="true" onMouseLeave={() => setShown(undefined)}>
        {[0, 0.5, 1].map((part) => (
          <g key={part}>
            <line x1="0" x2={width} y1={HEIGHT * (1 - part)} y2={HEIGHT * (1 - part)} className="grid" />
            <text x="-8" y={HEIGHT * (1 - part) + 4} textAnchor="end">{show(top * part)}</text>
          </g>
        ))}
        {days.map((each, place) => (
          <g key={each.label} onMouseEnter={() => setShown(place)}>
            <rect x={place * STEP} y="0" width={STEP} height={HEIGHT} className={place === shown ? "lit" : "unlit"} />
            {each.values.map((value, which) => value !== undefined && (
              <rect
                key={series[which].name}
                className={series[which].className}
                x={place * STEP + 7 + which * bar}
                width={Math.max(bar - 2, 2)}
                y={HEIGHT - (value / top) * HEIGHT}
                height={(value / top) * HEIGHT}
                rx="1.5"
              />
            ))}
            {place % every === 0 && <text x={place * STEP + STEP / 2} y={HEIGHT + 18} textAnchor="middle">{each.label}</text>}
          </g>
        ))}
      </svg>
      <table className="hidden">
        <caption>{title}</caption>
        <thead>
          <tr>
            <th>—</th>
            {series.map((each) => <th key={each.name}>{each.name}</th>)}
          </tr>
        </thead>
        <tbody>
          {days.map((each) => (
            <tr key={each.label}>
              <th scope="row">{each.label}</th>
              {each.values.map((value, place) => <td key={place}>{told(value)}</td>)}
            </tr>
          ))}
        </tbody>
      </table>
    </figure>
  );
}

export interface Bar {
  name: React.ReactNode;
  key: string;
  value: number;
  shown: string;
  note?: string;
}

export function Bars({ bars }: { bars: Bar[] }) {
  const most = Math.max(1, ...bars.map((each) => each.value));
  return (
    <ul className="bars">
      {bars.map((each) => (
        <li key={each.key}>
          <span className="bar-name">{each.name}{each.note && <span className="muted"> · {each.note}</span>}</span>
          <span className="nowrap">{each.shown}</span>
          <svg viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">
            <rect width="100" height="4" rx="1" className="rest" />
            <rect width={Math.max((each.value / most) * 100, 0.5)} height="4" rx="1" className="first" />
          </svg>
        </li>
      ))}
    </ul>
  );
}
