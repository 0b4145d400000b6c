// Labels: keys with values by which people sort instances and namespaces. They are shown, edited, and looked for by.
import { useEffect, useState } from "react";
import { Link } from "react-router";
import { CloseIcon } from "tdesign-icons-react";
import type { Schemas } from "../api/client";
import { ActionDialog, type Special, type Values } from "./action-form";
import { useAddress } from "./address";
import { Button } from "./button";
import { announce } from "./toast";
import { t } from "./words";

export type Label = Schemas["Tag"];
type Carried = Schemas["TagSpecification"];

const MOST = 10;

const written = (label: Label): string => (label.Value ? `${label.Key}:${label.Value}` : label.Key);

/** The labels of a resource; each leads to those of the list that carry it too. */
export function Labels({ carried, list }: { carried: Carried; list: string }) {
  if (!carried.Tags?.length) return null;
  return (
    <span className="labels">
      {carried.Tags.map((each) => (
        <Link key={each.Key} className="label" title={t("Only those with the label {name}", { name: written(each) })} to={`${list}?label=${encodeURIComponent(written(each))}`}>
          {written(each)}
        </Link>
      ))}
    </span>
  );
}

/** The label that the address asks for, as the API's lists take it. */
export function labelFilters(address: URLSearchParams): Schemas["Filter"][] {
  const label = address.get("label");
  return label ? [{ Name: "Tags", Values: [label] }] : [];
}

/** The field beside a list in which a label is asked for. */
export function LabelFilter() {
  const [address, change] = useAddress();
  const shown = address.get("label") ?? "";
  const [text, setText] = useState(shown);
  useEffect(() => setText(shown), [shown]);
  const go = (label: string) => label !== shown && change({ label, last: null });
  return (
    <form
      className="filter"
      onSubmit={(event) => {
        event.preventDefault();
        go(text.trim());
      }}
    >
      <label className="filter">
        {t("Label")}
        <input
          type="search"
          className="plain short"
          value={text}
          placeholder={t("key or key:value")}
          spellCheck={false}
          onBlur={() => go(text.trim())}
          onChange={(event) => {
            setText(event.target.value);
            if (event.target.value === "") go("");
          }}
        />
      </label>
    </form>
  );
}

/** The labels as a field of a form that takes them whole. */
export const labelsField = (ResourceType: "instance" | "namespace"): Special => ({
  help: t("Keys with values by which to sort it and find it again, at most {count}.", { count: MOST }),
  draw: (value, set, id) => <Rows id={id} labels={(value as Carried | undefined)?.Tags ?? []} onChange={(Tags) => set({ ResourceType, Tags })} />,
  check: (value) => problemOf((value as Carried | undefined)?.Tags ?? []),
});

interface DialogProps {
  title: string;
  /** The path of what carries them, like `instance/tcr-…`. */
  path: string;
  carried: Carried;
  onSaved: () => void;
  onClose: () => void;
}

/** The window in which labels alone are changed. */
export function LabelsDialog({ title, path, carried, onSaved, onClose }: DialogProps) {
  const before = (carried.Tags ?? []).map((each) => ({ TagKey: each.Key, TagValue: each.Value }));
  const shape = (values: Values) => {
    const kept = values.ReplaceTags as typeof before;
    const keys = new Set(kept.map((each) => each.TagKey));
    return {
      Resource: `qcs::tcr::uin/:${path}`,
      ReplaceTags: kept,
      DeleteTags: before.filter((each) => !keys.has(each.TagKey)).map(({ TagKey }) => ({ TagKey })),
    };
  };
  return (
    <ActionDialog
      title={title}
      action="ModifyResourceTags"
      fields={["ReplaceTags"]}
      initial={{ ReplaceTags: before }}
      special={{
        ReplaceTags: {
          help: labelsField("instance").help,
          draw: (value, set, id) => (
            <Rows
              id={id}
              labels={(value as typeof before).map((each) => ({ Key: each.TagKey, Value: each.TagValue }))}
              onChange={(labels) => set(labels.map((each) => ({ TagKey: each.Key, TagValue: each.Value })))}
            />
          ),
          check: (value) => {
            const given = (value as typeof before).map((each) => ({ Key: each.TagKey, Value: each.TagValue }));
            return given.length || before.length ? problemOf(given) : t("This is needed");
          },
        },
      }}
      shape={shape}
      submit={t("Save")}
      onDone={() => {
        onClose();
        announce(t("Saved"));
        onSaved();
      }}
      onCancel={onClose}
    />
  );
}

function problemOf(labels: Label[]): string {
  if (labels.some((each) => !each.Key)) return t("A label needs a key");
  const twice = labels.find((each, place) => labels.findIndex((other) => other.Key === each.Key) !== place);
  return twice ? t("The key {name} is there twice", { name: twice.Key }) : "";
}

function Rows({ id, labels, onChange }: { id: string; labels: Label[]; onChange: (labels: Label[]) => void }) {
  const [rows, setRows] = useState<Required<Label>[]>(labels.map((each) => ({ Value: "", ...each })));
  const set = (next: Required<Label>[]) => {
    setRows(next);
    // A row in which nothing stands is no label.
    onChange(next.map((each) => ({ ...each, Key: each.Key.trim() })).filter((each) => each.Key || each.Value));
  };
  const change = (place: number, part: Partial<Label>) => set(rows.map((each, at) => (at === place ? { ...each, ...part } : each)));
  return (
    <div className="rows" role="group" aria-label={t("Labels")}>
      {rows.map((each, place) => (
        <div key={place} className="label-row">
          <input
            id={place === 0 ? id : undefined}
            className="plain"
            aria-label={t("Key")}
            placeholder={t("Key")}
            maxLength={127}
            value={each.Key}
            autoFocus={place === rows.length - 1 && !each.Key && !each.Value}
            spellCheck={false}
            onChange={(event) => change(place, { Key: event.target.value })}
          />
          <input
            className="plain"
            aria-label={t("Value")}
            placeholder={t("Value")}
            maxLength={255}
            value={each.Value}
            spellCheck={false}
            onChange={(event) => change(place, { Value: event.target.value })}
          />
          <button
            type="button"
            className="icon-button"
            aria-label={t("Take the label {name} away", { name: each.Key })}
            onClick={(event) => {
              event.currentTarget.closest(".rows")?.querySelector<HTMLElement>(".add-label button")?.focus();
              set(rows.filter((_, at) => at !== place));
            }}
          >
            <CloseIcon />
          </button>
        </div>
      ))}
      <span className="add-label">
        <Button type="button" variant="outline" size="small" disabled={rows.length >= MOST} onClick={() => setRows([...rows, { Key: "", Value: "" }])}>
          {t("Add a label")}
        </Button>
      </span>
    </div>
  );
}
