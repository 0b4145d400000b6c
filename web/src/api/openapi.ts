// The server's description of its operations, read when the first form opens: forms are made from it.
import type { Action } from "./client";

export interface Schema {
  type?: string;
  description?: string;
  enum?: (string | number)[];
  const?: string | number;
  anyOf?: Schema[];
  $ref?: string;
  items?: Schema;
  properties?: Record<string, Schema>;
  required?: string[];
  default?: unknown;
  format?: string;
  pattern?: string;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  examples?: unknown[];
}

interface Description {
  paths: Record<string, { post: { requestBody: { content: { "application/json": { schema: Schema } } } } }>;
  components: { schemas: Record<string, Schema> };
}

let reading: Promise<Description> | undefined;

export function description(): Promise<Description> {
  reading ??= fetch("/openapi.json").then((answer) => {
    if (!answer.ok) throw new Error(`/openapi.json: ${answer.status}`);
    return answer.json() as Promise<Description>;
  });
  reading.catch(() => (reading = undefined));
  return reading;
}

/** The schema itself where a name stands for it. */
export function resolved(schema: Schema, from: Description): Schema {
  if (schema.$ref) {
    const named = from.components.schemas[schema.$ref.slice("#/components/schemas/".length)];
    return { ...named, ...(schema.description ? { description: schema.description } : {}) };
  }
  const meant = schema.anyOf?.find((each) => each.type !== "null");
  return meant ? { ...resolved(meant, from), ...(schema.description ? { description: schema.description } : {}) } : schema;
}

/** The fields of an operation's request. */
export async function requestSchema(action: Action): Promise<{ schema: Schema; of: (field: string) => Schema }> {
  const from = await description();
  const schema = resolved(from.paths[`/api/v1/${action}`].post.requestBody.content["application/json"].schema, from);
  return { schema, of: (field) => resolved(schema.properties?.[field] ?? {}, from) };
}
