import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({
  base: "./", // it works below any path
  plugins: [react()],
  worker: { format: "es" },
  build: {
    outDir: "../../src/fieldguide/web/guide",
    emptyOutDir: true,
    assetsInlineLimit: 0, // the content security policy allows no data: addresses
    modulePreload: { polyfill: false },
    target: "es2022",
    license: { fileName: "licences.txt" }, // of what is bundled, as those licences ask
    rolldownOptions: {
      input: { index: "index.html", sw: "src/sw.ts" },
      // a service worker governs the folder it lies in, and keeps its address
      output: { entryFileNames: (chunk) => (chunk.name === "sw" ? "sw.js" : "assets/[name]-[hash].js") },
    },
  },
});
