// The instance that the address names, for every page below it; what happens there makes its pages load again.
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { createContext, useContext, useEffect, type ReactNode } from "react";
import { Outlet, useParams } from "react-router";
import { call, type Schemas } from "../api/client";
import { follow } from "../api/events";
import { Page } from "./page";
import { ProblemBox } from "./problem";
import { t } from "./words";

export type Instance = Schemas["RegistryInfo"];

const Here = createContext<Instance | null>(null);
const KEPT = "roadstead.instance";

/** The instance looked at last; for whoever has looked at none, the one that this host name means. Empty until it is known. */
export function useLastInstance(): string {
  const kept = localStorage.getItem(KEPT) ?? "";
  const found = useQuery({
    queryKey: ["instance of this host"],
    queryFn: async () => {
      const told = (await (await fetch("/api/v1/")).json()) as { Instance: { Name: string } };
      return told.Instance.Name;
    },
    enabled: !kept,
    staleTime: Infinity,
  });
  return kept || (found.data ?? "");
}

export function useInstance(): Instance {
  const found = useContext(Here);
  if (!found) throw new Error("this page is about no instance");
  return found;
}

/** HOST[:PORT] by which clients reach the instance: the default one by whatever address this page came by, others at the same port. */
export function domainOf(instance: Instance): string {
  const mine = location.hostname === "localhost" || /^[\d.]+$|^\[/.test(location.hostname);
  const own = instance.PublicDomain.split(":")[0];
  if (location.hostname === own || (mine && instance.RegistryName === "default")) return location.host;
  return location.port ? `${own}:${location.port}` : instance.PublicDomain;
}

/** The command as it works for the instance: its host is the one by which clients reach it. */
export function reaching(instance: Instance, command: string): string {
  const own = instance.PublicDomain.split(":")[0].replaceAll(".", "\\.");
  return command.replace(new RegExp(`\\b${own}(:\\d+)?`, "g"), domainOf(instance));
}

/** The command of the command line, for this instance and not for the default one. */
export const meaning = (instance: Instance, command: string): string => `${command} --instance ${instance.RegistryName}`;

/** Names of the instance's namespaces to choose from; the first five hundred. */
export function useNamespaceNames(RegistryId: string): string[] | undefined {
  const found = useQuery({
    queryKey: ["namespaces", RegistryId, "choice"],
    queryFn: () => call("DescribeNamespaces", { RegistryId, Limit: 500 }),
    staleTime: 30_000,
  });
  return found.data?.NamespaceList.map((each) => each.Name);
}

/** The namespace that commands are shown with: one that is there, if any is. */
export function useExampleNamespace(RegistryId: string): string {
  const names = useNamespaceNames(RegistryId);
  return names?.includes("library") ? "library" : (names?.[0] ?? "my-team");
}

export async function instanceNamed(name: string): Promise<Instance | null> {
  const found = await call("DescribeInstances", { Filters: [{ Name: "RegistryName", Values: [name] }], AllRegion: true });
  return found.Registries.find((each) => each.RegistryName === name) ?? null;
}

/** Names of the instances to choose from, the one that is shown among them whether it may be seen or not. */
export function useInstanceNames(shown: string): string[] {
  const found = useQuery({ queryKey: ["instances"], queryFn: () => call("DescribeInstances", { AllRegion: true, Limit: 100 }), staleTime: 10_000 });
  const names = found.data?.Registries.map((each) => each.RegistryName) ?? [];
  return shown && !names.includes(shown) ? [shown, ...names] : names;
}

export function InstancePlace() {
  const { instance: name = "" } = useParams();
  const found = useQuery({
    queryKey: ["instance", name],
    queryFn: () => instanceNamed(name),
    refetchInterval: (query) => (query.state.data && query.state.data.Status !== "Running" ? 1000 : false),
  });
  const running = found.data?.Status === "Running" ? found.data.RegistryId : "";
  useLive(running);
  useEffect(() => {
    if (running) localStorage.setItem(KEPT, name);
  }, [running, name]);
  if (found.isError) return <ProblemBox error={found.error} />;
  if (found.isPending) return <p className="muted" aria-busy="true">{t("Loading")}</p>;
  if (!found.data) {
    return (
      <Page title={t("There is no instance {name} that you may see", { name })}>
        <p>{t("Ask whoever runs this registry for a policy that covers it, or choose another instance above.")}</p>
      </Page>
    );
  }
  return <InstanceContext instance={found.data}><Outlet /></InstanceContext>;
}

export function InstanceContext({ instance, children }: { instance: Instance; children: ReactNode }) {
  return <Here value={instance}>{children}</Here>;
}

/** While the window is seen, lists that an event is about load again by themselves. */
function useLive(registryId: string): void {
  const cache = useQueryClient();
  useEffect(() => {
    if (!registryId) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let stop: (() => void) | undefined;
    const tell = () => {
      timer ??= setTimeout(() => {
        timer = undefined;
        void cache.invalidateQueries({ predicate: (query) => query.queryKey[1] === registryId });
      }, 300);
    };
    const watch = () => {
      stop?.();
      stop = document.visibilityState === "visible" ? follow(registryId, tell) : undefined;
    };
    watch();
    document.addEventListener("visibilitychange", watch);
    return () => {
      document.removeEventListener("visibilitychange", watch);
      clearTimeout(timer);
      stop?.();
    };
  }, [cache, registryId]);
}
