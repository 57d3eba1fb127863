import "@fieldguide/ui/style.css";
import "./studio.css";

import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { NuqsAdapter } from "nuqs/adapters/react";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { Problem } from "./api.ts";
import { App } from "./App.tsx";
import { Outbox, serverFor } from "./outbox.ts";
import { tabId } from "./tab.ts";

const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: Infinity, // a list stays as it is until the person loads it again
      networkMode: "always", // the server is on this machine, with or without a network
      retry: (failures, error) => failures < 2 && !(error instanceof Problem && error.status >= 400 && error.status < 500),
    },
  },
});
const tab = tabId(sessionStorage);
const outbox = new Outbox(serverFor(tab));
const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={client}>
        <NuqsAdapter>
          <App outbox={outbox} tab={tab} />
        </NuqsAdapter>
      </QueryClientProvider>
    </StrictMode>,
  );
}
