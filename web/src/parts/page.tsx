// What every page begins with: where one is, what this page is about, and its main action.
import { useEffect, useRef, type ReactNode } from "react";
import { Link } from "react-router";
import { t } from "./words";

interface Props {
  title: string;
  lead?: ReactNode;
  above?: { text: string; to: string }[];
  actions?: ReactNode;
  children: ReactNode;
}

export function Page({ title, lead, above, actions, children }: Props) {
  useEffect(() => {
    document.title = `${title} · Roadstead`;
  }, [title]);
  return (
    <>
      <header className="page-head">
        <div>
          {above && (
            <nav className="crumbs" aria-label={t("Where you are")}>
              {above.map((each) => (
                <span key={each.to}>
                  <Link to={each.to}>{each.text}</Link>
                  <span aria-hidden="true"> / </span>
                </span>
              ))}
            </nav>
          )}
          <h1>{title}</h1>
          {lead && <div className="lead">{lead}</div>}
        </div>
        {actions && <div className="page-actions">{actions}</div>}
      </header>
      {children}
    </>
  );
}

/** Names with their values, as a list that screen readers know. */
export function Facts({ facts }: { facts: [string, ReactNode][] }) {
  return (
    <dl className="facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

export function Card({ title, actions, children }: { title?: string; actions?: ReactNode; children: ReactNode }) {
  return (
    <section className="card" aria-label={title}>
      {(title || actions) && (
        <header>
          {title && <h2>{title}</h2>}
          {actions}
        </header>
      )}
      {children}
    </section>
  );
}

interface TabsProps {
  name: string;
  tabs: { key: string; text: string }[];
  shown: string;
  onShow: (key: string) => void;
}

/** Which part of a page is shown; the arrow keys go from one to the next. */
export function Tabs({ name, tabs, shown, onShow }: TabsProps) {
  const list = useRef<HTMLDivElement>(null);
  const moved = useRef(false);
  useEffect(() => {
    if (moved.current) list.current?.querySelector<HTMLElement>('[aria-selected="true"]')?.focus();
    moved.current = false;
  }, [shown]);
  const step = (by: number) => {
    moved.current = true;
    const place = tabs.findIndex((each) => each.key === shown);
    onShow(tabs[(place + by + tabs.length) % tabs.length].key);
  };
  return (
    <div className="tabs" role="tablist" aria-label={name} ref={list}>
      {tabs.map((each) => (
        <button
          key={each.key}
          type="button"
          role="tab"
          aria-selected={each.key === shown}
          tabIndex={each.key === shown ? 0 : -1}
          onClick={() => onShow(each.key)}
          onKeyDown={(event) => {
            if (event.key === "ArrowRight") step(1);
            if (event.key === "ArrowLeft") step(-1);
          }}
        >
          {each.text}
        </button>
      ))}
    </div>
  );
}
