import { Button, Chip, Dialog } from "@fieldguide/ui";
import { useQuery } from "@tanstack/react-query";
import { ChevronLeft, ChevronRight, ExternalLink, Sparkles } from "lucide-react";
import type { ReactNode } from "react";

import { Actions } from "./Actions.tsx";
import { type HistoryEntry, type Origin, type Picture, type PictureDetails, previewAddress, thumbnailAddress } from "./api.ts";
import { DecisionBadge, toneOf } from "./Cell.tsx";
import type { Command } from "./keys.ts";
import { neighbourOptions } from "./list.ts";
import { type Mark, marked } from "./outbox.ts";
import { asWords, formatBytes, formatTime, nameCopy } from "./words.ts";

interface Props {
  open: boolean;
  /** undefined while it is fetched */
  picture: PictureDetails | undefined;
  error: Error | null;
  marks: ReadonlyMap<string, Mark>;
  place: string;
  tab: string;
  onCommand: (command: Command) => void;
  onShow: (sha256: string) => void;
  onClose: () => void;
}

const MOST_NEIGHBOURS = 12;

/** One picture large, beside the one it is a copy of, with all that is known about it. */
export function Viewer({ open, picture, error, marks, place, tab, onCommand, onShow, onClose }: Props) {
  return (
    <Dialog open={open} onClose={onClose} title={picture ? titleOf(picture) : "Picture"} hideTitle focusOn={(dialog) => dialog} className="viewer">
      <div className="viewer-body">
        <div className="stage">
          {error && <p role="alert">{error.message}</p>}
          {picture && <Pictures picture={picture} copies={picture.copies.map((copy) => marked(copy, marks))} onShow={onShow} />}
          <div className="viewer-bar">
            <Button tone="quiet" aria-label="Previous picture" icon={<ChevronLeft size={20} aria-hidden="true" />} onClick={() => onCommand("previous")} />
            <Actions words={place} onCommand={onCommand} large disabled={!picture} />
            <Button tone="quiet" aria-label="Next picture" icon={<ChevronRight size={20} aria-hidden="true" />} onClick={() => onCommand("next")} />
          </div>
        </div>
        <aside className="facts" aria-label="About this picture" tabIndex={0}>
          {picture && <Facts picture={picture} tab={tab} />}
          {picture && <Alike sha256={picture.sha256} marks={marks} onShow={onShow} onMore={() => onCommand("like")} />}
        </aside>
      </div>
    </Dialog>
  );
}

/** The picture, and beside it the copy that is most worth a look. */
function Pictures({ picture, copies, onShow }: { picture: PictureDetails; copies: Picture[]; onShow: (sha256: string) => void }) {
  const copyOf = picture.verdicts.find((verdict) => verdict.copy_of)?.copy_of;
  const other = copies.find((copy) => copy.sha256 === copyOf) ?? copies[0];
  return (
    <>
      <div className={other ? "pair" : "pair single"}>
        <Large picture={picture} caption={other ? "this picture" : ""} />
        {other && <Large picture={other} caption={nameCopy(other, copyOf)} onShow={onShow} />}
      </div>
      {copies.length > 1 && <Strip label="Near-copies" pictures={copies} onShow={onShow} />}
    </>
  );
}

function Large({ picture, caption, onShow }: { picture: Picture; caption: string; onShow?: (sha256: string) => void }) {
  const image = picture.readable ? (
    <img key={picture.sha256} src={previewAddress(picture.sha256)} width={picture.width} height={picture.height} alt={titleOf(picture)} />
  ) : (
    <p className="soft">No picture can be made of this file.</p>
  );
  return (
    <figure className={`large ${picture.decision}`}>
      <div className="large-image">
        {onShow ? (
          <button type="button" onClick={() => onShow(picture.sha256)} aria-label={`Show ${titleOf(picture)}`}>
            {image}
          </button>
        ) : (
          image
        )}
        <DecisionBadge picture={picture} />
      </div>
      {caption && (
        <figcaption>
          {caption} · {picture.class_name || "no one label"} · <span className="number">{sizeOf(picture)}</span>
        </figcaption>
      )}
    </figure>
  );
}

function Facts({ picture, tab }: { picture: PictureDetails; tab: string }) {
  return (
    <>
      <h2>{picture.class_name || picture.labels.join(" / ") || "no label"}</h2>
      <p className="chips">
        <Chip tone={picture.state === "rejected" ? "bad" : picture.state === "suspect" ? "warn" : "soft"}>{picture.state}</Chip>
        {picture.split && <Chip>{picture.split}</Chip>}
        {picture.labels.length > 1 && <Chip tone="warn">labels: {picture.labels.join(", ")}</Chip>}
      </p>
      {picture.verdicts.length > 0 && (
        <section>
          <h3>Checks</h3>
          <ul className="verdicts">
            {picture.verdicts.map((verdict) => (
              <li key={verdict.check}>
                <Chip tone={toneOf(verdict.verdict)}>{asWords(verdict.reason)}</Chip>{" "}
                <span>{verdict.detail}</span>{" "}
                <span className="soft number">
                  ({verdict.check}, score {verdict.score.toFixed(2)})
                </span>
              </li>
            ))}
          </ul>
        </section>
      )}
      {picture.origins.map((origin) => (
        <OriginFacts key={`${origin.source} ${origin.location}`} origin={origin} />
      ))}
      <section>
        <h3>File</h3>
        <p className="number">{sizeOf(picture)}</p>
        <p className="soft">added {formatTime(picture.added_at)}</p>
        <p className="hash soft">{picture.sha256}</p>
      </section>
      <section>
        <h3>Decisions</h3>
        {picture.history.length === 0 ? (
          <p className="soft">Nobody has decided on it yet.</p>
        ) : (
          <ol className="history" reversed>
            {picture.history.toReversed().map((entry) => (
              <li key={entry.revision}>
                {decisionWords(entry)} <span className="soft">{formatTime(entry.at)}{entry.by !== tab && ", elsewhere"}</span>
              </li>
            ))}
          </ol>
        )}
      </section>
    </>
  );
}

function OriginFacts({ origin }: { origin: Origin }) {
  const rows: [string, ReactNode][] = [
    ["Title", origin.title],
    ["Author", origin.author && <Outside address={origin.author_url}>{origin.author}</Outside>],
    ["Licence", origin.licence && <Outside address={origin.licence_url}>{origin.licence}</Outside>],
    ["Searched", origin.query],
    ["File", origin.location],
  ];
  return (
    <section>
      <h3>From {origin.source}</h3>
      {origin.page && (
        <p>
          <Outside address={origin.page}>
            Open the source page <ExternalLink size={13} aria-hidden="true" />
          </Outside>
        </p>
      )}
      <dl className="origin">
        {rows.map(([name, value]) => value && (
          <div key={name}>
            <dt className="soft">{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

/** Text that leads out of this page where there is an address. */
function Outside({ address, children }: { address: string; children: ReactNode }) {
  if (!isWebAddress(address)) return <>{children}</>;
  return (
    <a href={address} target="_blank" rel="noopener noreferrer">
      {children}
    </a>
  );
}

export const isWebAddress = (address: string) => /^https?:\/\//i.test(address);

function Alike({ sha256, marks, onShow, onMore }: {
  sha256: string;
  marks: ReadonlyMap<string, Mark>;
  onShow: (sha256: string) => void;
  onMore: () => void;
}) {
  const { data, isPending, error } = useQuery(neighbourOptions(sha256, MOST_NEIGHBOURS));
  return (
    <section>
      <h3>Most like it{data?.by === "thumbnails" && ", by small thumbnails"}</h3>
      {isPending && <p className="soft">Looking…</p>}
      {error && <p className="soft">{error.message}</p>}
      {data && <Strip label="Most like it" pictures={data.neighbours.map((picture) => marked(picture, marks))} onShow={onShow} />}
      <Button hotkey="M" icon={<Sparkles size={16} aria-hidden="true" />} onClick={onMore}>
        More like this
      </Button>
    </section>
  );
}

function Strip({ label, pictures, onShow }: { label: string; pictures: Picture[]; onShow: (sha256: string) => void }) {
  return (
    <ul className="strip" aria-label={label}>
      {pictures.map((picture) => (
        <li key={picture.sha256}>
          <button type="button" className={picture.decision} onClick={() => onShow(picture.sha256)} title={titleOf(picture)}>
            <img src={thumbnailAddress(picture.sha256)} alt={titleOf(picture)} loading="lazy" />
          </button>
        </li>
      ))}
    </ul>
  );
}

const titleOf = (picture: Picture) => picture.class_name || picture.labels.join(" or ") || "picture without a label";

const sizeOf = (picture: Picture) =>
  `${picture.width} × ${picture.height}, ${picture.format.toUpperCase()}, ${formatBytes(picture.bytes)}`;

function decisionWords({ decision, class_name, undo }: HistoryEntry): string {
  const words = { keep: "kept", drop: "dropped", relabel: `relabelled ${class_name}`, "": "undecided again" }[decision];
  return undo && decision !== "" ? `back to ${words}` : words;
}
