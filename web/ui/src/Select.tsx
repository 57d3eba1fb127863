import { useId } from "react";

export interface Choice {
  value: string;
  label: string;
}

interface Props {
  label: string;
  /** null: nothing is chosen */
  value: string | null;
  choices: Choice[];
  /** what stands for null */
  any: string;
  onChange: (value: string | null) => void;
}

// a value of an <option> is never null, and "" may be a choice of its own
const ANY = "\u0000";

/** A labelled choice of one or none, the browser's own. */
export function Select({ label, value, choices, any, onChange }: Props) {
  const id = useId();
  return (
    <span className={value === null ? "select" : "select chosen"}>
      <label htmlFor={id}>{label}</label>
      <select
        id={id}
        value={value ?? ANY}
        onChange={(event) => onChange(event.target.value === ANY ? null : event.target.value)}
      >
        <option value={ANY}>{any}</option>
        {choices.map((choice) => (
          <option key={choice.value} value={choice.value}>
            {choice.label}
          </option>
        ))}
      </select>
    </span>
  );
}
