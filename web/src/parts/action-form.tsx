// The one form of the console: it is made from the description of an operation in /openapi.json, so what the API checks
// is checked while typing, and a field that the API gets can be asked for by its name alone.
import { useMutation, useQuery } from "@tanstack/react-query";
import { Input, Switch, Textarea } from "tdesign-react";
import { useEffect, useId, useRef, useState, type FormEvent, type ReactNode } from "react";
import { call, type Action, type Answer, type Request } from "../api/client";
import { requestSchema, type Schema } from "../api/openapi";
import { Button } from "./button";
import { Dialog, focusFirst } from "./dialog";
import { ProblemBox } from "./problem";
import { announce } from "./toast";
import { fieldHelp, fieldLabel, t } from "./words";

export type Values = Record<string, unknown>;

/** A field that needs more than its schema tells: how it is drawn instead, or what it is called here. */
export interface Special {
  label?: string;
  help?: string;
  draw?: (value: unknown, set: (value: unknown) => void, id: string) => ReactNode;
  /** What is wrong with the value of a field that is drawn otherwise. */
  check?: (value: unknown) => string;
  options?: { value: string | number; label: string }[];
  rows?: number;
  required?: boolean;
}

interface Props<A extends Action> {
  action: A;
  /** What is asked for, in this order. */
  fields: (keyof Request<A> & string)[];
  /** What goes along without being asked for. */
  fixed?: Partial<Request<A>>;
  initial?: Partial<Request<A>>;
  special?: Partial<Record<keyof Request<A> & string, Special>>;
  submit: string;
  danger?: boolean;
  onDone: (answer: Answer<A>, request: Request<A>) => void;
  onCancel?: () => void;
  /** The request as it is sent, where it is not just the fields. */
  shape?: (values: Values) => Request<A>;
  children?: ReactNode;
}

interface EditProps<A extends Action> extends Omit<Props<A>, "submit" | "onDone" | "onCancel"> {
  title: string;
  wide?: boolean;
  onSaved: () => void;
  onClose: () => void;
}

/** The window in which something that is there is changed: it says that it is saved, and closes. */
export function EditDialog<A extends Action>({ onSaved, onClose, ...form }: EditProps<A>) {
  const done = () => {
    onClose();
    announce(t("Saved"));
    onSaved();
  };
  // What else the form takes is the same for every action.
  return <ActionDialog<A> {...(form as Omit<Props<A>, "submit" | "onDone"> & { title: string })} submit={t("Save")} onDone={done} onCancel={onClose} />;
}

export function ActionDialog<A extends Action>({ title, wide, ...form }: Props<A> & { title: string; onCancel: () => void; wide?: boolean }) {
  return (
    <Dialog title={title} onClose={form.onCancel} wide={wide}>
      <ActionForm {...form} />
    </Dialog>
  );
}

export function ActionForm<A extends Action>(props: Props<A>) {
  const [values, setValues] = useState<Values>({ ...props.initial });
  const [wrong, setWrong] = useState<Record<string, string>>({});
  const schema = useQuery({ queryKey: ["schema", props.action], queryFn: () => requestSchema(props.action), staleTime: Infinity });
  const place = useRef<HTMLFormElement>(null);
  const drawn = Boolean(schema.data);
  useEffect(() => {
    if (drawn && place.current?.closest("dialog") && !place.current.contains(document.activeElement)) focusFirst(place.current);
  }, [drawn]);
  const send = useMutation({
    mutationFn: (request: Request<A>) => call(props.action, request),
    onSuccess: (answer, request) => props.onDone(answer, request),
  });
  if (schema.isError) return <ProblemBox error={schema.error} />;
  if (!schema.data) return <p className="muted" aria-busy="true">{t("Loading")}</p>;
  const { of, schema: whole } = schema.data;
  const special = (field: string): Special => (props.special as Record<string, Special> | undefined)?.[field] ?? {};
  const required = (field: string) => special(field).required ?? whole.required?.includes(field) ?? false;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const problems: Record<string, string> = {};
    for (const field of props.fields) {
      const { draw, check: checked } = special(field);
      const problem = checked?.(values[field]) ?? (draw ? "" : check(of(field), values[field], required(field)));
      if (problem) problems[field] = problem;
    }
    setWrong(problems);
    if (Object.keys(problems).length) {
      const [first] = Object.keys(problems);
      (event.currentTarget as HTMLElement).querySelector<HTMLElement>(`[data-field="${first}"] :is(input, textarea, select)`)?.focus();
      return;
    }
    const filled = Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined && value !== ""));
    send.mutate(props.shape ? props.shape(filled) : ({ ...props.fixed, ...kept(filled, props.fields, values, props.initial) } as Request<A>));
  };
  return (
    <form className="action-form" ref={place} onSubmit={submit} noValidate>
      {props.fields.map((field) => (
        <FieldRow
          key={field}
          action={props.action}
          name={field}
          schema={of(field)}
          special={special(field)}
          required={required(field)}
          value={values[field]}
          wrong={wrong[field]}
          set={(value) => {
            setValues((before) => ({ ...before, [field]: value }));
            setWrong(({ [field]: _, ...others }) => others);
          }}
        />
      ))}
      {props.children}
      {send.isError && <ProblemBox error={send.error} />}
      <footer>
        {props.onCancel && (
          <Button type="button" variant="outline" onClick={props.onCancel}>
            {t("Cancel")}
          </Button>
        )}
        <Button type="submit" theme={props.danger ? "danger" : "primary"} loading={send.isPending}>
          {props.submit}
        </Button>
      </footer>
    </form>
  );
}

/** The fields that say something; one that was emptied here says so. */
function kept(filled: Values, fields: string[], values: Values, initial?: Values): Values {
  const emptied = fields.filter((field) => values[field] === "" && initial?.[field]);
  return { ...filled, ...Object.fromEntries(emptied.map((field) => [field, ""])) };
}

/** What is wrong with the value, by what the API says of the field; empty when nothing is. */
export function check(schema: Schema, value: unknown, required: boolean): string {
  if (value === undefined || value === "" || (Array.isArray(value) && value.length === 0)) {
    return required ? t("This is needed") : "";
  }
  if (typeof value === "string") {
    if (schema.minLength && value.length < schema.minLength) return t("At least {count} characters", { count: schema.minLength });
    if (schema.maxLength && value.length > schema.maxLength) return t("At most {count} characters", { count: schema.maxLength });
    if (schema.pattern && !new RegExp(schema.pattern, "u").test(value)) return t("Some of these characters may not be here");
  }
  if (typeof value === "number") {
    if (!Number.isInteger(value)) return t("A whole number is needed");
    if (schema.minimum !== undefined && value < schema.minimum) return t("At least {count}", { count: schema.minimum });
    if (schema.maximum !== undefined && value > schema.maximum) return t("At most {count}", { count: schema.maximum });
  }
  return "";
}

interface FieldProps {
  action: string;
  name: string;
  schema: Schema;
  special: Special;
  required: boolean;
  value: unknown;
  wrong?: string;
  set: (value: unknown) => void;
}

function FieldRow({ action, name, schema, special, required, value, wrong, set }: FieldProps) {
  const id = useId();
  const help = special.help ?? fieldHelp(action, name, schema.description ?? "");
  const label = special.label ?? fieldLabel(name);
  return (
    <div className={wrong ? "field field-wrong" : "field"} data-field={name}>
      <label htmlFor={id}>
        {label}
        {required && <span className="needed" aria-hidden="true">*</span>}
      </label>
      {special.draw ? special.draw(value, set, id) : <Control id={id} schema={schema} special={special} value={value} set={set} label={label} />}
      {wrong ? (
        <p className="field-problem" role="alert">
          {wrong}
        </p>
      ) : (
        help && <p className="field-help">{help}</p>
      )}
    </div>
  );
}

type ControlProps = Pick<FieldProps, "schema" | "special" | "value" | "set"> & { id: string; label: string };

function Control({ id, schema, special, value, set, label }: ControlProps) {
  const options = special.options ?? schema.enum?.map((each) => ({ value: each, label: String(each) || t("None") }));
  if (options) {
    return (
      <select id={id} className="select" value={value === undefined ? String(schema.default ?? "") : String(value)} onChange={(event) => set(options.find((each) => String(each.value) === event.target.value)?.value)}>
        {value === undefined && schema.default === undefined && <option value="">{t("Choose")}</option>}
        {options.map((each) => (
          <option key={each.value} value={each.value}>
            {each.label}
          </option>
        ))}
      </select>
    );
  }
  if (schema.type === "boolean") {
    const on = Boolean(value ?? schema.default);
    return <Named id={id} label={label} on={on}><Switch value={on} onChange={(chosen) => set(chosen)} /></Named>;
  }
  if (schema.type === "integer") {
    const text = value === undefined || value === null ? "" : String(value);
    return <Plain id={id} value={text} type="number" set={(typed) => set(typed === "" ? undefined : Number(typed))} />;
  }
  if (schema.type === "array") {
    const text = Array.isArray(value) ? value.join("\n") : "";
    return <Long id={id} value={text} rows={special.rows ?? 3} set={(typed) => set(typed.split("\n").map((line) => line.trim()).filter(Boolean))} />;
  }
  const text = String(value ?? "");
  if (schema.format === "password") return <Plain id={id} value={text} type="password" set={set} />;
  if (special.rows || (schema.maxLength ?? 0) > 300) return <Long id={id} value={text} rows={special.rows ?? 4} set={set} />;
  return <Plain id={id} value={text} set={set} hint={schema.examples?.[0] as string | undefined} />;
}

/** The design system's switch is a button without a name of its own, and does not say whether it is on. */
function Named({ id, label, on, children }: { id: string; label: string; on: boolean; children: ReactNode }) {
  return (
    <span
      ref={(place) => {
        const control = place?.querySelector("button, input");
        control?.setAttribute("id", id);
        control?.setAttribute("aria-label", label);
        control?.setAttribute("aria-checked", String(on));
      }}
    >
      {children}
    </span>
  );
}

interface PlainProps {
  id: string;
  value: string;
  set: (text: string) => void;
  type?: "password" | "number";
  hint?: string;
}

function Plain({ id, value, set, type, hint }: PlainProps) {
  const attributes = { id, autoComplete: type === "password" ? "new-password" : "off" };
  return (
    <span ref={(place) => Object.entries(attributes).forEach(([key, text]) => place?.querySelector("input")?.setAttribute(key, text))}>
      <Input value={value} onChange={set} type={type} placeholder={hint ?? ""} spellCheck={false} />
    </span>
  );
}

function Long({ id, value, set, rows }: { id: string; value: string; set: (text: string) => void; rows: number }) {
  return (
    <span ref={(place) => place?.querySelector("textarea")?.setAttribute("id", id)}>
      <Textarea value={value} onChange={set} rows={rows} placeholder="" />
    </span>
  );
}
