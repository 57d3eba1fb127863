import { Button } from "@fieldguide/ui";
import { ArrowLeft } from "lucide-react";
import { useEffect, useEffectEvent, useId, useState } from "react";

import type { List } from "./list.ts";

interface Props {
  list: List;
  onSelect: (numbers: number[]) => void;
  onClose: () => void;
}

const SELECTED_AT_FIRST = 12;

/** Says that the list is of neighbours, and selects as many of the nearest as its slider says. */
export function LikeBar({ list, onSelect, onClose }: Props) {
  const id = useId();
  const most = Math.max(0, (list.total ?? 1) - 1);
  const [nearest, setNearest] = useState(SELECTED_AT_FIRST);
  const select = useEffectEvent((number: number) => {
    onSelect(Array.from({ length: Math.min(number, most) }, (_, offset) => offset + 1));
  });
  useEffect(() => select(nearest), [nearest, most]);
  return (
    <div className="like-bar">
      <Button icon={<ArrowLeft size={16} aria-hidden="true" />} onClick={onClose}>
        All pictures
      </Button>
      <span>{list.total === null ? "Looking for pictures like it…" : "The first picture, and those most like it."}</span>
      <label htmlFor={id}>Select the nearest</label>
      <input id={id} type="range" min={0} max={most} value={Math.min(nearest, most)} onChange={(event) => setNearest(Number(event.target.value))} />
      <output htmlFor={id} className="number">
        {Math.min(nearest, most)}
      </output>
    </div>
  );
}
