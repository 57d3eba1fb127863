import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// `npm run dev` shows the sources as they are edited and asks a running `fieldguide review` for the rest
const server = process.env.FIELDGUIDE_REVIEW ?? "http://127.0.0.1:8766";

export default defineConfig({
  base: "./",
  plugins: [react()],
  build: {
    outDir: "../../src/fieldguide/web/studio",
    emptyOutDir: true,
    assetsInlineLimit: 0, // the content security policy allows no data: addresses
    modulePreload: { polyfill: false },
    target: "es2022",
    license: { fileName: "licences.md" }, // of what is bundled, as those licences ask
  },
  server: {
    host: "127.0.0.1",
    proxy: { "/api": { target: server, changeOrigin: true, headers: { Origin: server } } },
  },
});
