// Every page with its address. Pages load when they are first opened.
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { ConfigProvider } from "tdesign-react";
import { useEffect, useMemo, useState, type ComponentType } from "react";
import { createBrowserRouter, Link, Navigate, RouterProvider, useRouteError, type RouteObject } from "react-router";
import { ApiProblem } from "./api/client";
import { InstancePlace, useLastInstance } from "./parts/instance";
import { Page } from "./parts/page";
import { ProblemBox } from "./parts/problem";
import { Session } from "./parts/session";
import { Shell } from "./parts/shell";
import { t } from "./parts/words";

// Fields say what belongs into them by their label; the design system's own hint is in Chinese whatever is chosen.
const DESIGN = { input: { placeholder: "" }, textarea: { placeholder: "" }, animation: { exclude: ["ripple" as const] } };

type Loaded = () => Promise<{ default: ComponentType }>;

const page = (path: string, load: Loaded): RouteObject => ({
  path,
  lazy: async () => ({ Component: (await load()).default }),
  errorElement: <Broken />,
});

const INSTANCE: RouteObject[] = [
  { index: true, element: <Navigate to="overview" replace /> },
  page("overview", () => import("./pages/overview")),
  page("namespaces", () => import("./pages/namespaces")),
  page("repositories", () => import("./pages/repositories")),
  page("repositories/:namespace/*", () => import("./pages/tags")),
  page("charts", () => import("./pages/charts")),
  page("charts/:namespace/*", () => import("./pages/charts")),
  page("credentials", () => import("./pages/credentials")),
  page("service-accounts", () => import("./pages/service_accounts")),
  page("networks", () => import("./pages/networks")),
  page("triggers", () => import("./pages/triggers")),
  page("triggers/:trigger", () => import("./pages/trigger_log")),
  page("events", () => import("./pages/event_log")),
];

const routes = (onLanguage: () => void): RouteObject[] => [
  {
    element: <Session><Shell onLanguage={onLanguage} /></Session>,
    errorElement: <Broken />,
    hydrateFallbackElement: <></>,
    children: [
      { index: true, element: <Home /> },
      { path: "i/:instance", element: <InstancePlace />, children: INSTANCE },
      page("instances", () => import("./pages/registries")),
      page("users/:name?", () => import("./pages/users")),
      page("groups/:group?", () => import("./pages/groups")),
      page("policies/:policy?", () => import("./pages/policy_documents")),
      page("access", () => import("./pages/simulation")),
      page("audit", () => import("./pages/audit")),
      page("certificates", () => import("./pages/certificates")),
      page("vpcs", () => import("./pages/vpcs")),
      page("jobs", () => import("./pages/jobs")),
      page("account", () => import("./pages/own_account")),
      { path: "*", element: <Nowhere /> },
    ],
  },
];

function client(): QueryClient {
  const again = (count: number, error: unknown) => count < 2 && !(error instanceof ApiProblem && error.problem.status >= 400 && error.problem.status < 500);
  return new QueryClient({ defaultOptions: { queries: { staleTime: 5000, retry: again, refetchOnWindowFocus: true } } });
}

export function App() {
  const [round, setRound] = useState(0);
  const cache = useMemo(client, []);
  // A language is chosen for the whole page, so everything is drawn anew.
  const router = useMemo(() => createBrowserRouter(routes(() => setRound((count) => count + 1)), { basename: "/console" }), []);
  return (
    <QueryClientProvider client={cache}>
      <ConfigProvider globalConfig={DESIGN}>
        <RouterProvider key={round} router={router} />
      </ConfigProvider>
    </QueryClientProvider>
  );
}

/** Where one comes in: the instance looked at last, or the one that this host name means. */
function Home() {
  const name = useLastInstance();
  return name ? <Navigate to={`/i/${name}/overview`} replace /> : <p className="muted" aria-busy="true">{t("Loading")}</p>;
}

function Nowhere() {
  return (
    <Page title={t("There is no such page")}>
      <p><Link to="/">{t("Overview")}</Link></p>
    </Page>
  );
}

/** A page that did not load: after an upgrade of the server its files have other names. */
function Broken() {
  const error = useRouteError();
  useEffect(() => {
    const text = String(error);
    if (/dynamically imported module|module script failed/i.test(text) && !sessionStorage.getItem("reloaded")) {
      sessionStorage.setItem("reloaded", "1");
      location.reload();
    }
  }, [error]);
  return <ProblemBox error={error} />;
}
