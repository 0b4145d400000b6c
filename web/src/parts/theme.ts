// Light or dark: the system's choice until somebody chooses here.
export type Theme = "light" | "dark";
const KEPT = "roadstead.theme";
const system = matchMedia("(prefers-color-scheme: dark)");

export function currentTheme(): Theme {
  const kept = localStorage.getItem(KEPT);
  return kept === "light" || kept === "dark" ? kept : system.matches ? "dark" : "light";
}

export function prepareTheme(): void {
  document.documentElement.setAttribute("theme-mode", currentTheme());
  system.onchange = () => document.documentElement.setAttribute("theme-mode", currentTheme());
}

export function chooseTheme(chosen: Theme): void {
  localStorage.setItem(KEPT, chosen);
  prepareTheme();
}
