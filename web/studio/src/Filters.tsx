import { Button, type Choice, Select } from "@fieldguide/ui";
import { ListFilter, X } from "lucide-react";
import { useState } from "react";

import type { Counts } from "./api.ts";
import { countFilters, type Filter, FILTERS, type Order, UNFILTERED, type View } from "./view.ts";
import { asWords, formatCount } from "./words.ts";

const ORDERS: { order: Order; label: string; title: string }[] = [
  { order: "worst", label: "Worst first", title: "Two labels, suspect labels, outliers, near-copies, odd sizes, then the rest" },
  { order: "audit", label: "Random sample", title: "In random order: what the estimate of wrong labels is made from" },
  { order: "class", label: "By class", title: "Class by class, in each the worst first" },
];

const LABELS: Record<Filter, { label: string; any: string; none: string }> = {
  class_name: { label: "Class", any: "any", none: "none or several" },
  reason: { label: "Reason", any: "any", none: "none" },
  state: { label: "State", any: "any", none: "none" },
  decision: { label: "Decision", any: "any", none: "undecided" },
  split: { label: "Split", any: "any", none: "none" },
  source: { label: "Source", any: "any", none: "none" },
};

const DECISIONS: Record<string, string> = { keep: "kept", drop: "dropped", relabel: "relabelled" };

interface Props {
  view: View;
  counts: Counts | undefined;
  onChange: (change: Partial<View>) => void;
}

/** What the list shows, and in which order. */
export function Filters({ view, counts, onChange }: Props) {
  const [unfolded, setUnfolded] = useState(false);
  const filters = countFilters(view);
  return (
    <search className="filters">
      <div className="orders" role="group" aria-label="Order">
        {ORDERS.map(({ order, label, title }) => (
          <button
            key={order}
            type="button"
            title={title}
            aria-pressed={view.order === order}
            onClick={() => onChange({ order, like: null })}
          >
            {label}
          </button>
        ))}
      </div>
      <Button className="unfold" aria-expanded={unfolded} onClick={() => setUnfolded(!unfolded)} icon={<ListFilter size={16} aria-hidden="true" />}>
        <span className="unfold-word">Filters</span>
        {filters > 0 && <span>({filters})</span>}
      </Button>
      <div className={unfolded ? "filter-row unfolded" : "filter-row"} id="filters">
        {FILTERS.map((filter) => {
          const choices = choicesOf(filter, counts?.[filter], view[filter]);
          if (choices.length === 0) return null;
          const { label, any } = LABELS[filter];
          return (
            <Select
              key={filter}
              label={label}
              any={any}
              value={view[filter]}
              choices={choices}
              onChange={(value) => onChange({ [filter]: value, like: null })}
            />
          );
        })}
        {filters > 0 && (
          <Button tone="quiet" icon={<X size={15} aria-hidden="true" />} onClick={() => onChange(UNFILTERED)}>
            Clear
          </Button>
        )}
      </div>
    </search>
  );
}

/** Return the values of a filter with their counts; the chosen one is among them even where none is left. */
function choicesOf(filter: Filter, counts: Record<string, number> | undefined, chosen: string | null): Choice[] {
  const values = new Map(Object.entries(counts ?? {}));
  if (chosen !== null && !values.has(chosen)) values.set(chosen, 0);
  const write = (value: string) => {
    if (value === "") return LABELS[filter].none;
    if (filter === "decision") return DECISIONS[value] ?? value;
    return filter === "reason" ? asWords(value) : value;
  };
  return Array.from(values, ([value, number]) => ({ value, label: `${write(value)} (${formatCount(number)})` }));
}
