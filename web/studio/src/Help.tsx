import { Dialog } from "@fieldguide/ui";

import { KEYS, showKey } from "./keys.ts";

const GROUPS = ["Decide", "Move", "Select", "More"] as const;

/** The keys, by what they are for. */
export function Help({ open, onClose }: { open: boolean; onClose: () => void }) {
  return (
    <Dialog open={open} onClose={onClose} title="Keys" className="help">
      <div className="help-groups">
        {GROUPS.map((group) => (
          <section key={group}>
            <h3>{group}</h3>
            <dl>
              {KEYS.filter((key) => key.group === group).map((key) => (
                <div key={key.command}>
                  <dt>
                    {key.keys.map((name) => (
                      <kbd key={name} className="kbd">
                        {showKey(name)}
                      </kbd>
                    ))}
                  </dt>
                  <dd>{key.help}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
      <p className="help-note soft">
        With Shift, a key that moves selects on the way. With the mouse: click, Ctrl or Shift and click, or draw a
        rectangle; a double click opens large.
      </p>
    </Dialog>
  );
}
