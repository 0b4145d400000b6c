// The one table of the console: every list of the API is shown by it.
//
// It pages by key, as the API does, so the last page of a hundred thousand entries comes as quickly as the first. Search
// and place stand in the address. The arrow keys go through the rows, Enter opens one, `/` leads to the search field.
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { Input } from "tdesign-react";
import { useEffect, useRef, useState, type KeyboardEvent, type ReactNode } from "react";
import { useNavigate } from "react-router";
import { ChevronLeftIcon, ChevronRightIcon, RefreshIcon, SearchIcon } from "tdesign-icons-react";
import { useAddress } from "./address";
import { Button } from "./button";
import { Command } from "./copy";
import { ProblemBox } from "./problem";
import { number } from "./shown";
import { t } from "./words";

export interface Page {
  Limit: number;
  Last: string;
}

export interface Listed<Row> {
  rows: Row[];
  last: string;
  total?: number | null;
}

export interface Column<Row> {
  title: string;
  cell: (row: Row) => ReactNode;
  align?: "end";
  /** Left out where the window is narrow. */
  minor?: boolean;
  /** What the list is sorted by when the heading is pressed. */
  sort?: string;
}

export interface Empty {
  title: string;
  text?: ReactNode;
  commands?: string[];
  action?: ReactNode;
}

interface Props<Row> {
  name: string;
  /** By which the list is known to the cache; it names the operation first. */
  keys: readonly unknown[];
  ask: (page: Page, search: string, sort: string, signal: AbortSignal) => Promise<Listed<Row>>;
  rowKey: (row: Row) => string;
  columns: Column<Row>[];
  to?: (row: Row) => string;
  open?: (row: Row) => void;
  search?: string;
  filters?: ReactNode;
  /** The parameter of the address by which a filter leaves rows out. */
  narrowedBy?: string;
  actions?: ReactNode;
  empty: Empty;
  chosen?: (rows: Row[], clear: () => void) => ReactNode;
  /** Milliseconds after which it asks again by itself. */
  every?: number;
  /** Put before the names of its parameters, where a page has several tables. */
  prefix?: string;
}

const SIZES = [20, 50, 100, 500];

export function ResourceTable<Row>(props: Props<Row>) {
  const [address, change] = useAddress();
  const named = (name: string) => `${props.prefix ?? ""}${name}`;
  const search = address.get(named("q")) ?? "";
  const last = address.get(named("last")) ?? "";
  const sort = address.get(named("sort")) ?? "";
  const limit = Number(address.get(named("n"))) || 50;
  const narrowed = (props.narrowedBy && address.get(named(props.narrowedBy))) || "";
  const found = useQuery({
    queryKey: [...props.keys, search, sort, last, limit],
    queryFn: ({ signal }) => props.ask({ Limit: limit, Last: last }, search, sort, signal),
    placeholderData: keepPreviousData,
    refetchInterval: props.every,
  });
  const first = useQuery({
    queryKey: [...props.keys, search, sort, "", limit],
    queryFn: ({ signal }) => props.ask({ Limit: limit, Last: "" }, search, sort, signal),
    enabled: last !== "",
    staleTime: 60_000,
  });
  const total = last ? first.data?.total : found.data?.total;
  const rows = found.data?.rows ?? [];
  const [marked, setMarked] = useState<Set<string>>(new Set());
  const clear = () => setMarked(new Set());
  const markedRows = rows.filter((row) => marked.has(props.rowKey(row)));
  const go = (changes: Record<string, string>) =>
    change(Object.fromEntries(Object.entries(changes).map(([name, value]) => [named(name), value])));
  // Whoever was sent the address of a later page has none before it in this window.
  const back = () => ((history.state as { idx?: number } | null)?.idx ? history.back() : go({ last: "" }));
  return (
    <section className="resource-table" aria-label={props.name}>
      <div className="toolbar">
        {props.search && (
          <SearchField value={search} hint={props.search} onSearch={(q) => go({ q, last: "" })} />
        )}
        {props.filters}
        <span className="toolbar-gap" />
        {markedRows.length > 0 && props.chosen?.(markedRows, clear)}
        <button
          type="button"
          className="icon-button"
          aria-label={t("Load again")}
          title={t("Load again")}
          onClick={() => void found.refetch()}
        >
          <RefreshIcon className={found.isFetching ? "turning" : undefined} />
        </button>
        {props.actions}
      </div>
      {found.isError ? (
        <ProblemBox error={found.error} />
      ) : found.isPending ? (
        <Waiting columns={props.columns.length} name={props.name} />
      ) : rows.length === 0 ? (
        <Nothing empty={props.empty} searched={search !== "" || last !== "" || narrowed !== ""} onClear={() => go({ q: "", last: "", ...(narrowed && { [props.narrowedBy!]: "" }) })} />
      ) : (
        <Rows {...props} rows={rows} marked={marked} onMark={setMarked} sort={sort} onSort={(by) => go({ sort: by, last: "" })} />
      )}
      {(rows.length > SIZES[0] || last || found.data?.last) ? (
        <nav className="pager" aria-label={t("Pages")}>
          <span className="muted">
            {total != null ? t("{count} in all", { count: number(total) }) : t("{count} shown", { count: number(rows.length) })}
          </span>
          <label>
            {t("Per page")}{" "}
            <select value={limit} onChange={(event) => go({ n: event.target.value, last: "" })}>
              {SIZES.map((each) => (
                <option key={each}>{each}</option>
              ))}
            </select>
          </label>
          <Button variant="outline" size="small" disabled={!last} onClick={() => go({ last: "" })}>
            {t("First page")}
          </Button>
          <Button variant="outline" size="small" icon={<ChevronLeftIcon />} disabled={!last} onClick={back}>
            {t("Back")}
          </Button>
          <Button
            variant="outline"
            size="small"
            disabled={!found.data?.last}
            onClick={() => go({ last: found.data?.last ?? "" })}
            suffix={<ChevronRightIcon />}
          >
            {t("Next")}
          </Button>
        </nav>
      ) : (
        rows.length > 0 && <div className="pager"><span className="muted">{t("{count} in all", { count: number(rows.length) })}</span></div>
      )}
    </section>
  );
}

function SearchField({ value, hint, onSearch }: { value: string; hint: string; onSearch: (text: string) => void }) {
  const [text, setText] = useState(value);
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => setText(value), [value]);
  useEffect(() => {
    if (text === value) return;
    const timer = setTimeout(() => onSearch(text.trim()), 250);
    return () => clearTimeout(timer);
  }, [text]);
  useEffect(() => {
    const field = place.current?.querySelector("input");
    field?.setAttribute("aria-label", hint);
    const focus = (event: globalThis.KeyboardEvent) => {
      if (event.key !== "/" || (event.target as HTMLElement).closest("input, textarea, select, dialog")) return;
      event.preventDefault();
      field?.focus();
    };
    document.addEventListener("keydown", focus);
    return () => document.removeEventListener("keydown", focus);
  }, [hint]);
  return (
    <div className="search" ref={place} role="search">
      <Input value={text} onChange={setText} placeholder={hint} clearable prefixIcon={<SearchIcon />} suffix={<kbd>/</kbd>} />
    </div>
  );
}

interface RowsProps<Row> extends Props<Row> {
  rows: Row[];
  marked: Set<string>;
  onMark: (marked: Set<string>) => void;
  onSort: (by: string) => void;
}

function Rows<Row>({ sort, onSort, ...props }: RowsProps<Row> & { sort: string }) {
  const navigate = useNavigate();
  const { rows, marked, onMark } = props;
  const openable = Boolean(props.to ?? props.open);
  const open = (row: Row) => (props.to ? void navigate(props.to(row)) : props.open?.(row));
  const onKey = (event: KeyboardEvent<HTMLTableRowElement>, row: Row) => {
    if (event.target !== event.currentTarget) return;
    const step = { ArrowDown: "nextElementSibling", j: "nextElementSibling", ArrowUp: "previousElementSibling", k: "previousElementSibling" }[event.key];
    if (step) {
      event.preventDefault();
      (event.currentTarget[step as "nextElementSibling"] as HTMLElement | null)?.focus();
    } else if (event.key === "Enter" && openable) open(row);
  };
  const toggle = (key: string) => {
    const next = new Set(marked);
    if (!next.delete(key)) next.add(key);
    onMark(next);
  };
  const all = rows.every((row) => marked.has(props.rowKey(row)));
  return (
    <div className="table-scroll" tabIndex={0} role="region" aria-label={props.name}>
      <table>
        <thead>
          <tr>
            {props.chosen && (
              <th className="mark">
                <input
                  type="checkbox"
                  aria-label={t("Choose all")}
                  checked={all}
                  onChange={() => onMark(new Set(all ? [] : rows.map(props.rowKey)))}
                />
              </th>
            )}
            {props.columns.map((column, place) => (
              <th
                key={place}
                className={names(column)}
                aria-sort={column.sort && sort.endsWith(column.sort) ? (sort.startsWith("-") ? "descending" : "ascending") : undefined}
              >
                {column.sort ? (
                  <button type="button" className="sort" onClick={() => onSort(sort === column.sort ? `-${column.sort}` : column.sort!)}>
                    {column.title}
                    <span aria-hidden="true">{sort === column.sort ? "▲" : sort === `-${column.sort}` ? "▼" : "↕"}</span>
                  </button>
                ) : (
                  column.title
                )}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, place) => {
            const key = props.rowKey(row);
            return (
              <tr
                key={key}
                tabIndex={place === 0 ? 0 : -1}
                onKeyDown={(event) => onKey(event, row)}
                className={openable ? "openable" : undefined}
                onClick={(event) => {
                  const inner = (event.target as HTMLElement).closest("a, button, input, label, select, .t-switch");
                  if (openable && !inner && !window.getSelection()?.toString()) open(row);
                }}
              >
                {props.chosen && (
                  <td className="mark">
                    <input type="checkbox" aria-label={t("Choose {name}", { name: key })} checked={marked.has(key)} onChange={() => toggle(key)} />
                  </td>
                )}
                {props.columns.map((column, each) => (
                  <td key={each} className={names(column)}>
                    {column.cell(row)}
                  </td>
                ))}
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

function names<Row>(column: Column<Row>): string | undefined {
  return [column.align && "align-end", column.minor && "minor"].filter(Boolean).join(" ") || undefined;
}

function Waiting({ columns, name }: { columns: number; name: string }) {
  return (
    <div className="waiting" aria-busy="true" aria-label={t("Loading {name}", { name })} role="status">
      {Array.from({ length: 6 }, (_, row) => (
        <div key={row} className="waiting-row">
          {Array.from({ length: columns }, (_, column) => (
            <span key={column} className="waiting-cell" />
          ))}
        </div>
      ))}
    </div>
  );
}

function Nothing({ empty, searched, onClear }: { empty: Empty; searched: boolean; onClear: () => void }) {
  if (searched) {
    return (
      <div className="nothing">
        <h3>{t("Nothing fits this search")}</h3>
        <Button variant="outline" onClick={onClear}>
          {t("Show everything")}
        </Button>
      </div>
    );
  }
  return (
    <div className="nothing">
      <h3>{empty.title}</h3>
      {empty.text && <p>{empty.text}</p>}
      {empty.commands?.map((command) => <Command key={command} text={command} />)}
      {empty.action}
    </div>
  );
}
