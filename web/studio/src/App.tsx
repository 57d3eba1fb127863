import { Button } from "@fieldguide/ui";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { CircleHelp, CloudAlert, CloudCheck, CloudUpload, Redo2, Undo2 } from "lucide-react";
import { useEffect, useEffectEvent, useState, useSyncExternalStore } from "react";

import { getState, Problem } from "./api.ts";
import { Filters } from "./Filters.tsx";
import { Help } from "./Help.tsx";
import { useNeighbours, usePictures } from "./list.ts";
import { NoticeBar } from "./NoticeBar.tsx";
import type { Outbox, Snapshot } from "./outbox.ts";
import { listQuery, useView, type View } from "./view.ts";
import { Workspace } from "./Workspace.tsx";

const POLL_MS = 10_000;

/** The page: what is known of the project above, the pictures below. */
export function App({ outbox, tab }: { outbox: Outbox; tab: string }) {
  const client = useQueryClient();
  const snapshot = useSyncExternalStore(outbox.subscribe, outbox.snapshot);
  const [view, setView] = useView();
  const [generation, setGeneration] = useState(0);
  const [help, setHelp] = useState(false);
  const [said, say] = useState("");
  const state = useQuery({ queryKey: ["state"], queryFn: ({ signal }) => getState(tab, signal), refetchInterval: POLL_MS });
  const query = listQuery(view).toString();
  const pictures = usePictures(query, generation, view.like === null);
  const neighbours = useNeighbours(view.like);
  const list = view.like === null ? pictures : neighbours;

  const takeState = useEffectEvent(() => {
    if (!state.data) return;
    outbox.allow(state.data.can_undo, state.data.can_redo);
    if (snapshot.decidedAt === 0) outbox.sawUpTo(state.data.decided_at);
    document.title = `${state.data.project} · Review`;
  });
  useEffect(() => takeState(), [state.data]);
  useEffect(() => {
    if (snapshot.decidedAt > 0) void client.invalidateQueries({ queryKey: ["state"] });
  }, [client, snapshot.decidedAt]);
  useLeaveWarning(snapshot.waiting > 0);

  const reload = () => {
    if (state.data) outbox.sawUpTo(state.data.decided_at);
    setGeneration(generation + 1);
    void client.invalidateQueries({ queryKey: ["picture"] });
  };
  const changeView = (change: Partial<View>, replace = false) => {
    void setView(change, { history: replace ? "replace" : "push" });
  };

  if (state.error instanceof Problem && state.error.code === "token_needed") {
    return <Closed />;
  }
  return (
    <div className="page">
      <header className="top">
        <h1>{state.data?.project ?? "Review"}</h1>
        <p className="summary number">{state.data?.audit.line}</p>
        <SaveStatus snapshot={snapshot} />
        <span className="top-buttons">
          <Button
            tone="quiet" aria-label="Undo" title="Undo (U)" disabled={!snapshot.canUndo}
            icon={<Undo2 size={18} aria-hidden="true" />} onClick={() => outbox.undo()}
          />
          <Button
            tone="quiet" aria-label="Redo" title="Redo (Shift U)" disabled={!snapshot.canRedo}
            icon={<Redo2 size={18} aria-hidden="true" />} onClick={() => outbox.redo()}
          />
          <Button tone="quiet" aria-label="Keys" title="Keys (?)" icon={<CircleHelp size={18} aria-hidden="true" />} onClick={() => setHelp(true)} />
        </span>
      </header>
      <Rules rules={state.data?.rules ?? []} />
      <Filters view={view} counts={state.data?.counts} onChange={changeView} />
      <NoticeBar
        snapshot={snapshot}
        said={said}
        problem={list.error ?? state.error}
        changed={changedWords(state.data, pictures.version, snapshot)}
        onReload={reload}
        onRetry={() => {
          list.retry();
          void state.refetch();
        }}
        onShow={(sha256) => changeView({ picture: sha256 })}
        onAgain={() => outbox.again()}
        onDismiss={() => {
          outbox.dismiss();
          say("");
        }}
      />
      <Workspace
        key={`${query} ${generation} ${view.like ?? ""}`}
        list={list}
        view={view}
        state={state.data}
        outbox={outbox}
        snapshot={snapshot}
        tab={tab}
        onView={changeView}
        onHelp={() => setHelp(true)}
        onSay={say}
      />
      <Help open={help} onClose={() => setHelp(false)} />
    </div>
  );
}

/** Say in words why the list is no longer what the project holds; "" while it is. */
/** What the project's settings say is to be kept and dropped; open until it is closed. */
function Rules({ rules }: { rules: readonly string[] }) {
  if (rules.length === 0) return null;
  return (
    <details className="rules" open>
      <summary>Rules of this project</summary>
      <ul>
        {rules.map((rule) => (
          <li key={rule}>{rule}</li>
        ))}
      </ul>
    </details>
  );
}

function changedWords(state: { version: number; decided_at: number } | undefined, version: number | null, snapshot: Snapshot): string {
  if (!state) return "";
  if (version !== null && state.version !== version) return "The project has changed since this list was made.";
  const elsewhere = snapshot.decidedAt > 0 && snapshot.waiting === 0 && state.decided_at > snapshot.decidedAt;
  return elsewhere ? "Pictures were decided elsewhere." : "";
}

function SaveStatus({ snapshot }: { snapshot: Snapshot }) {
  if (snapshot.trouble) {
    return (
      <p className="saved trouble" role="status" title={snapshot.trouble}>
        <CloudAlert size={17} aria-hidden="true" /> Not saved
      </p>
    );
  }
  const isSaving = snapshot.waiting > 0;
  return (
    <p className="saved" role="status">
      {isSaving ? <CloudUpload size={17} aria-hidden="true" /> : <CloudCheck size={17} aria-hidden="true" />}
      {isSaving ? "Saving…" : "Saved"}
    </p>
  );
}

function Closed() {
  return (
    <main className="closed">
      <h1>This page needs its link</h1>
      <p>Open the link that the terminal shows: <code>fieldguide review</code> prints it when it starts.</p>
    </main>
  );
}

/** Have the browser ask before a page is left that holds what is not saved. */
function useLeaveWarning(unsaved: boolean): void {
  useEffect(() => {
    if (!unsaved) return;
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener("beforeunload", ask);
    return () => window.removeEventListener("beforeunload", ask);
  }, [unsaved]);
}
