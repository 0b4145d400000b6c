import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({
  base: "/console/",
  plugins: [react()],
  // No inlined assets: the content security policy allows what this server hands out and nothing else.
  build: { manifest: true, assetsInlineLimit: 0, target: "es2022", modulePreload: { polyfill: false } },
  // For work on the console: `npx vite` beside a registry on port 5000.
  server: { proxy: { "/api": "http://127.0.0.1:5000", "/openapi.json": "http://127.0.0.1:5000" } },
});
