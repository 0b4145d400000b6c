// Two pictures of numbers, drawn as SVG: columns over days, and bars side by side. Each has its numbers as a table for
// those who do not see the picture.
import { useEffect, useRef, useState } from "react";
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
/** Left of the columns, for what the lines stand for. */
const MARGIN = 60;
/** As wide as the label of a day, with a gap. */
const LABEL = 68;

function ceiling(value: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
  return [1, 2, 5, 10].map((each) => each * power).find((each) => each >= value) ?? 1;
}

/** The same for bytes: round in the unit in which they are shown. */
export function ceilingOfBytes(value: number): number {
  const unit = 1024 ** Math.floor(Math.log2(Math.max(value, 1)) / 10);
  return value / unit > 500 ? 1024 * unit : ceiling(value / unit) * unit;
}

/** The width of the element on the page, so that a picture is drawn in its own size and its letters are as large as others. */
function useWidth() {
  const place = useRef<HTMLElement>(null);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry.contentRect.width)));
    observer.observe(place.current!);
    return () => observer.disconnect();
  }, []);
  return { place, width };
}

const sum = (values: number[]): number => values.reduce((total, value) => total + value, 0);

export function Columns({ title, days, series, show = number, whole = sum, round = ceiling }: ColumnsProps) {
  const [shown, setShown] = useState<number>();
  const known = (values: (number | undefined)[]) => values.filter((value) => value !== undefined);
  const told = (value: number | undefined) => (value === undefined ? "—" : show(value));
  const top = round(Math.max(4, ...known(days.flatMap((day) => day.values))));
  const { place: figure, width: given } = useWidth();
  const width = Math.max(given - MARGIN - 4, 1);
  const step = width / Math.max(days.length, 1);
  const gap = Math.min(step / 3, 14);
  const bar = (step - gap) / series.length;
  const day = shown === undefined ? undefined : days[shown];
  const every = Math.ceil(LABEL / step);
  return (
    <figure className="columns" ref={figure}>
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
      <svg viewBox={`${-MARGIN} -8 ${width + MARGIN + 4} ${HEIGHT + 32}`} height={HEIGHT + 32} aria-hidden="true" onMouseLeave={() => setShown(undefined)}>
        {[0, 0.5, 1].map((part) => (
          <g key={part}>
            <line x1="0" x2={width} y1={HEIGHT * (1 - part)} y2={HEIGHT * (1 - part)} className="grid" />
            <text x="-8" y={HEIGHT * (1 - part) + 4} textAnchor="end">{show(top * part)}</text>
          </g>
        ))}
        {days.map((each, place) => (
          <g key={each.label} onMouseEnter={() => setShown(place)}>
            <rect x={place * step} y="0" width={step} height={HEIGHT} className={place === shown ? "lit" : "unlit"} />
            {each.values.map((value, which) => value !== undefined && (
              <rect
                key={series[which].name}
                className={series[which].className}
                x={place * step + gap / 2 + which * bar}
                width={Math.max(bar - Math.min(2, bar / 4), 1)}
                y={HEIGHT - (value / top) * HEIGHT}
                height={(value / top) * HEIGHT}
                rx="1.5"
              />
            ))}
            {place % every === 0 && (place + 0.5) * step + LABEL / 3 <= width && <text x={place * step + step / 2} y={HEIGHT + 18} textAnchor="middle">{each.label}</text>}
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
