// The frame around every page: the menu, the instance that is looked at, language, theme and account.
import { useEffect, useRef, useState, type ReactNode } from "react";
import { Link, NavLink, Outlet, useLocation, useMatch, useNavigate } from "react-router";
import {
  AnchorIcon, CertificateIcon, ChartBarIcon, CloudIcon, ControlPlatformIcon, FileIcon, FolderIcon, HistoryIcon, InternetIcon, KeyIcon, LayersIcon,
  ModeDarkIcon, ModeLightIcon, NotificationIcon, SecuredIcon, ServerIcon, TaskIcon, TranslateIcon, UserCircleIcon, UserIcon,
  UsergroupIcon, ViewListIcon, RelativityIcon, SearchIcon,
} from "tdesign-icons-react";
import { signOut } from "../api/client";
import icon from "../icon.svg";
import { Button } from "./button";
import { useInstanceNames, useLastInstance } from "./instance";
import { useMe } from "./session";
import { chooseTheme, currentTheme } from "./theme";
import { Toasts } from "./toast";
import { chooseLanguage, currentLanguage, t, type Text } from "./words";
import { Finder } from "./finder";

interface Entry {
  text: Text;
  to: string;
  icon: ReactNode;
}

const HERE: Entry[] = [
  { text: "Overview", to: "overview", icon: <ChartBarIcon /> },
  { text: "Namespaces", to: "namespaces", icon: <FolderIcon /> },
  { text: "Image repositories", to: "repositories", icon: <LayersIcon /> },
  { text: "Helm charts", to: "charts", icon: <AnchorIcon /> },
  { text: "Access credentials", to: "credentials", icon: <KeyIcon /> },
  { text: "Service accounts", to: "service-accounts", icon: <ControlPlatformIcon /> },
  { text: "Network access", to: "networks", icon: <InternetIcon /> },
  { text: "Triggers", to: "triggers", icon: <NotificationIcon /> },
  { text: "Activity", to: "events", icon: <HistoryIcon /> },
];
const EVERYWHERE: { title: Text; entries: Entry[] }[] = [
  {
    title: "People",
    entries: [
      { text: "Users", to: "/users", icon: <UserIcon /> },
      { text: "Groups", to: "/groups", icon: <UsergroupIcon /> },
      { text: "Policies", to: "/policies", icon: <FileIcon /> },
      { text: "Who may do what", to: "/access", icon: <SecuredIcon /> },
    ],
  },
  {
    title: "Operation",
    entries: [
      { text: "Instances", to: "/instances", icon: <ServerIcon /> },
      { text: "Networks", to: "/vpcs", icon: <InternetIcon /> },
      { text: "Certificates", to: "/certificates", icon: <CertificateIcon /> },
      { text: "Audit", to: "/audit", icon: <ViewListIcon /> },
      { text: "Jobs", to: "/jobs", icon: <TaskIcon /> },
    ],
  },
];

export function Shell({ onLanguage }: { onLanguage: () => void }) {
  const [menu, setMenu] = useState(false);
  const [finding, setFinding] = useState(false);
  const place = useLocation();
  const last = useLastInstance();
  const instance = useMatch("/i/:instance/*")?.params.instance ?? last;
  useEffect(() => setMenu(false), [place.pathname]);
  useEffect(() => {
    const open = (event: KeyboardEvent) => {
      if ((event.ctrlKey || event.metaKey) && event.key === "k") {
        event.preventDefault();
        setFinding(true);
      }
    };
    document.addEventListener("keydown", open);
    return () => document.removeEventListener("keydown", open);
  }, []);
  return (
    <div className={menu ? "shell menu-open" : "shell"}>
      <a className="skip" href="#content">
        {t("Skip to the content")}
      </a>
      <header className="top">
        <button type="button" className="icon-button menu-button" aria-label={t("Menu")} aria-expanded={menu} onClick={() => setMenu(!menu)}>
          <ViewListIcon />
        </button>
        <Link to="/" className="brand" aria-label="Roadstead">
          <img src={icon} alt="" width="28" height="28" />
          <span>Roadstead</span>
        </Link>
        <InstanceSwitch shown={instance} />
        <span className="toolbar-gap" />
        <button type="button" className="find-button" aria-keyshortcuts="Control+K" onClick={() => setFinding(true)}>
          <SearchIcon />
          <span>{t("Go to …")}</span>
          <kbd aria-hidden="true">Ctrl K</kbd>
        </button>
        <ThemeSwitch />
        <button
          type="button"
          className="icon-button"
          onClick={() => void chooseLanguage(currentLanguage() === "en" ? "zh" : "en").then(onLanguage)}
          aria-label={currentLanguage() === "en" ? "中文" : "English"}
          title={currentLanguage() === "en" ? "中文" : "English"}
        >
          <TranslateIcon />
        </button>
        <AccountMenu />
      </header>
      <nav className="side" aria-label={t("Menu")}>
        {instance && <MenuPart title={t("Instance {name}", { name: instance })} entries={HERE} below={`/i/${instance}/`} />}
        {EVERYWHERE.map((part) => (
          <MenuPart key={part.title} title={t(part.title)} entries={part.entries} below="" />
        ))}
      </nav>
      <button type="button" className="shade" tabIndex={-1} aria-label={t("Close")} onClick={() => setMenu(false)} />
      <main id="content" tabIndex={-1}>
        <Outlet />
      </main>
      <Toasts />
      {finding && <Finder instance={instance} pages={[...HERE.map((each) => ({ ...each, to: `/i/${instance}/${each.to}` })), ...EVERYWHERE.flatMap((part) => part.entries)]} onClose={() => setFinding(false)} />}
    </div>
  );
}

function MenuPart({ title, entries, below }: { title: string; entries: Entry[]; below: string }) {
  return (
    <section>
      <h2>{title}</h2>
      <ul>
        {entries.map((each) => (
          <li key={each.to}>
            <NavLink to={below + each.to}>
              {each.icon}
              <span>{t(each.text)}</span>
            </NavLink>
          </li>
        ))}
      </ul>
    </section>
  );
}

function InstanceSwitch({ shown }: { shown: string }) {
  const navigate = useNavigate();
  const rest = useMatch("/i/:instance/:page/*")?.params.page ?? "overview";
  const all = useInstanceNames(shown);
  return (
    <label className="instance-switch">
      <CloudIcon />
      <span className="hidden">{t("Instance")}</span>
      <select value={shown} onChange={(event) => void navigate(event.target.value === "…" ? "/instances" : `/i/${event.target.value}/${rest}`)}>
        {!shown && <option value="">{t("Choose")}</option>}
        {all.map((name) => (
          <option key={name}>{name}</option>
        ))}
        <option value="…">{t("All instances …")}</option>
      </select>
    </label>
  );
}

function ThemeSwitch() {
  const [theme, setTheme] = useState(currentTheme());
  const other = theme === "light" ? "dark" : "light";
  const name = other === "dark" ? t("Dark") : t("Light");
  return (
    <button
      type="button"
      className="icon-button"
      aria-label={name}
      title={name}
      onClick={() => {
        chooseTheme(other);
        setTheme(other);
      }}
    >
      {theme === "light" ? <ModeDarkIcon /> : <ModeLightIcon />}
    </button>
  );
}

function AccountMenu() {
  const me = useMe();
  const place = useRef<HTMLDetailsElement>(null);
  const where = useLocation();
  useEffect(() => place.current?.removeAttribute("open"), [where]);
  return (
    <details className="account" ref={place} onBlur={(event) => !event.currentTarget.contains(event.relatedTarget) && event.currentTarget.removeAttribute("open")}>
      <summary>
        <UserCircleIcon />
        <span>{me.Name}</span>
      </summary>
      <div className="account-menu">
        <p>
          <strong>{me.Name}</strong>
          <br />
          <span className="muted">{me.Uin}</span>
        </p>
        <Link to="/account">{t("My account")}</Link>
        <a href="/openapi.json" target="_blank" rel="noreferrer">
          <RelativityIcon /> OpenAPI
        </a>
        <Button variant="outline" block onClick={() => void signOut().finally(() => location.reload())}>
          {t("Sign out")}
        </Button>
      </div>
    </details>
  );
}
