// The one way by which the console talks to the server: typed calls of operations, and the session.
//
// The types come from the server's own description (`generated/schema.d.ts`, written by the build), so a page that
// asks for what the API does not have does not compile.
import { headers } from "./attention";
import type { components, paths } from "./generated/schema";

export type Schemas = components["schemas"];
type Paths = { [P in keyof paths as P extends `/api/v1/${infer A}` ? A : never]: paths[P] };
export type Action = keyof Paths;
type Post<A extends Action> = Paths[A]["post"];
type Json<T> = T extends { content: { "application/json": infer B } } ? B : never;
export type Request<A extends Action> = Json<NonNullable<Post<A>["requestBody"]>>;
export type Answer<A extends Action> = Post<A> extends { responses: { 200: infer R } } ? Json<R> : never;

/** What the server says of a request that it has not done: RFC 9457 with members of its own. */
export interface Problem {
  title: string;
  status: number;
  detail: string;
  Code?: string;
  Remedy?: string;
  RequestId?: string;
  Gate?: string;
  Action?: string;
  Resource?: string;
  Reason?: string;
  Policy?: string;
}

export class ApiProblem extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail);
  }
}

export interface Me {
  Uin: string;
  Name: string;
  Owner: boolean;
  Totp: boolean;
  RecoveryCodes: number;
  CsrfToken: string;
}

let csrf = "";
const signedOut = new Set<() => void>();

/** The function is called whenever the server says that nobody is signed in any more. */
export function onSignedOut(listener: () => void): () => void {
  signedOut.add(listener);
  return () => signedOut.delete(listener);
}

/** Every page is told that nobody is signed in any more. */
export const noteSignedOut = (): void => signedOut.forEach((listener) => listener());

/** What the operation answers; rejects with ApiProblem. */
export function call<A extends Action>(action: A, request: Request<A>, signal?: AbortSignal): Promise<Answer<A>> {
  return send<Answer<A>>(`/api/v1/${action}`, request, signal);
}

async function send<T>(path: string, body?: unknown, signal?: AbortSignal, again = true): Promise<T> {
  const sent = headers();
  if (body !== undefined) sent["Content-Type"] = "application/json";
  if (csrf && body !== undefined) sent["X-CSRF-Token"] = csrf;
  let answer: Response;
  try {
    const method = body === undefined ? "GET" : "POST";
    answer = await fetch(path, { method, headers: sent, body: body === undefined ? undefined : JSON.stringify(body), signal });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiProblem({ title: "Unreachable", status: 0, detail: "The server does not answer.", Code: "Unreachable" });
  }
  if (answer.ok) return (await answer.json()) as T;
  const problem = await read(answer);
  // Somebody has signed in anew in another window: this one only needs that login's token.
  if (again && answer.status === 403 && problem.Gate === "credential" && problem.Reason?.includes("CSRF") && (await whoAmI())) {
    return send<T>(path, body, signal, false);
  }
  if (answer.status === 401 && !path.endsWith("/login")) noteSignedOut();
  throw new ApiProblem(problem);
}

async function read(answer: Response): Promise<Problem> {
  const requestId = answer.headers.get("X-Request-Id") ?? undefined;
  try {
    return { RequestId: requestId, ...((await answer.json()) as Problem) };
  } catch {
    return { title: answer.statusText, status: answer.status, detail: answer.statusText, RequestId: requestId };
  }
}

function keep(me: Me): Me {
  csrf = me.CsrfToken;
  return me;
}

/** Who is signed in; null when nobody is. */
export async function whoAmI(): Promise<Me | null> {
  try {
    return keep(await send<Me>("/api/v1/session"));
  } catch (error) {
    if (error instanceof ApiProblem && error.problem.status === 401) return null;
    throw error;
  }
}

export async function signIn(name: string, password: string, code: string, fresh: string): Promise<Me> {
  return keep(await send<Me>("/api/v1/session/login", { Name: name, Password: password, Code: code, NewPassword: fresh }));
}

export async function signOut(): Promise<void> {
  await send("/api/v1/session/logout", {});
  csrf = "";
}

export interface SingleSignOn {
  Offered: boolean;
  Issuer: string;
}

export const singleSignOn = (): Promise<SingleSignOn> => send<SingleSignOn>("/api/v1/session/oidc/");

export interface Login {
  Id: string;
  Address: string;
  Client: string;
  CreatedAt: string;
  UsedAt: string;
  EndsAt: string;
  Current: boolean;
}

export const logins = async (): Promise<Login[]> =>
  (await send<{ Sessions: Login[] }>("/api/v1/session/list")).Sessions;
export const endLogin = (id: string): Promise<unknown> => send("/api/v1/session/end", { Id: id });
export const changePassword = (old: string, fresh: string): Promise<unknown> =>
  send("/api/v1/session/password", { OldPassword: old, NewPassword: fresh });
export const enrolTotp = (password: string): Promise<{ Secret: string; Uri: string }> =>
  send("/api/v1/session/totp/enrol", { Password: password });
export interface RecoveryCodes {
  RecoveryCodes: string[];
}

export const confirmTotp = (code: string): Promise<RecoveryCodes> => send("/api/v1/session/totp/confirm", { Code: code });
export const renewRecoveryCodes = (password: string, code: string): Promise<RecoveryCodes> =>
  send("/api/v1/session/totp/recovery", { Password: password, Code: code });
export const removeTotp = (password: string, code: string): Promise<unknown> =>
  send("/api/v1/session/totp/remove", { Password: password, Code: code });
