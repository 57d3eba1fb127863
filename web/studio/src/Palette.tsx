import { Dialog } from "@fieldguide/ui";
import { Command } from "cmdk";

import type { Picture } from "./api.ts";
import { count } from "./words.ts";

interface Props {
  /** what is to get another class; none: closed */
  pictures: Picture[];
  classes: string[];
  onChoose: (className: string) => void;
  onClose: () => void;
}

/** Choose a class by typing a part of its name; the labels that the pictures have stand first. */
export function Palette({ pictures, classes, onChoose, onClose }: Props) {
  const labels = new Set(pictures.slice(0, 100).flatMap((picture) => picture.labels));
  const ordered = [...classes.filter((name) => labels.has(name)), ...classes.filter((name) => !labels.has(name))];
  const what = count(pictures.length, "picture");
  return (
    <Dialog open={pictures.length > 0} onClose={onClose} title={`Another class for ${what}`} className="palette" focusOn={(dialog) => dialog.querySelector("input")}>
      {/* the keys of the page are letters of a name here */}
      <Command label="Class" loop onKeyDown={(event) => event.stopPropagation()}>
        <Command.Input placeholder="Type a part of the name" />
        <Command.List label="Classes">
          <Command.Empty>No class has such a name.</Command.Empty>
          {ordered.map((name) => (
            <Command.Item key={name} value={name} onSelect={() => onChoose(name)}>
              {name}
              {labels.has(name) && <span className="soft">its label</span>}
            </Command.Item>
          ))}
        </Command.List>
      </Command>
    </Dialog>
  );
}
