import { Check, Tag, X } from "lucide-react";
import { Chip, type Tone } from "@fieldguide/ui";
import { memo } from "react";

import { type Picture, thumbnailAddress } from "./api.ts";
import { asWords } from "./words.ts";

interface Props {
  number: number;
  total: number;
  /** undefined while it is fetched */
  picture: (Picture & { saving?: boolean }) | undefined;
  similarity: number | undefined;
  active: boolean;
  selected: boolean;
  /** has the same picture before or after it */
  grouped: "" | "starts" | "goes-on" | "ends";
}

/** One picture of the grid: an option of a list box, whose number is all that the grid needs to know of a click. */
export const Cell = memo(function Cell({ number, total, picture, similarity, active, selected, grouped }: Props) {
  const classes = ["cell", active && "active", selected && "selected", picture?.decision, grouped && `group-${grouped}`];
  return (
    <div
      id={`picture-${number}`}
      data-number={number}
      role="option"
      aria-selected={selected}
      aria-setsize={total}
      aria-posinset={number + 1}
      className={classes.filter(Boolean).join(" ")}
    >
      <div className="thumbnail">
        {picture && (picture.readable ? (
          <img src={thumbnailAddress(picture.sha256)} alt="" draggable={false} decoding="async" />
        ) : (
          <span className="soft">no picture can be made of it</span>
        ))}
        {picture && <DecisionBadge picture={picture} />}
        {picture && (
          <span className="tick" aria-hidden="true">
            <Check size={14} strokeWidth={3} />
          </span>
        )}
      </div>
      <div className="caption">
        <span className="class-name">{picture ? picture.class_name || picture.labels.join(" / ") || "no label" : "…"}</span>
        <span className="chips">
          {similarity !== undefined && <Chip>{similarity.toFixed(2)}</Chip>}
          {picture?.verdicts.slice(0, 2).map((verdict) => (
            <Chip key={verdict.check} tone={toneOf(verdict.verdict)} title={verdict.detail}>
              {asWords(verdict.reason)}
              <span className="visually-hidden">: {verdict.detail}</span>
            </Chip>
          ))}
        </span>
      </div>
    </div>
  );
});

export const toneOf = (verdict: "reject" | "suspect"): Tone => (verdict === "reject" ? "bad" : "warn");

const BADGES = {
  keep: { icon: Check, words: "kept" },
  drop: { icon: X, words: "dropped" },
  relabel: { icon: Tag, words: "relabelled" },
};

/** What a person decided; hollow until the server has acknowledged it. */
export function DecisionBadge({ picture }: { picture: Picture & { saving?: boolean } }) {
  if (picture.decision === "") return null;
  const { icon: Icon, words } = BADGES[picture.decision];
  return (
    <span className={`badge ${picture.decision} ${picture.saving ? "saving" : ""}`}>
      <Icon size={13} strokeWidth={3} aria-hidden="true" />
      {picture.decision === "relabel" && !picture.saving ? picture.class_name : words}
    </span>
  );
}
