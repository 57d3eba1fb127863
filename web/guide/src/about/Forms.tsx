import type { Form, Guide } from "../guide.ts";
import { useWords } from "../words/index.ts";
import { Section } from "./About.tsx";

/** The forms that the guide was exported to: how large and how fast each is, and how closely it answers alike. */
export function Forms({ guide }: { guide: Guide }) {
  const words = useWords();
  const forms = Object.entries(guide.forms);
  if (forms.length === 0) return null;
  return (
    <Section title={words.forms}>
      <p>{words.formsNote}</p>
      <div className="table forms" tabIndex={0} role="region" aria-label={words.forms}>
        <table>
          <thead>
            <tr><th scope="col">{words.form}</th><th scope="col">{words.formSize}</th><th scope="col">{words.formTime}</th><th scope="col">{words.formAgreement}</th></tr>
          </thead>
          <tbody>{forms.map(([name, form]) => <Row key={name} name={name} form={form} />)}</tbody>
        </table>
      </div>
    </Section>
  );
}

function Row({ name, form: { about, bytes, latency_ms, agreement, compared, unproved } }: { name: string; form: Form }) {
  const words = useWords();
  return (
    <tr>
      <th scope="row">{name}{about ? <span className="soft form-about">{about}</span> : null}</th>
      <td>{bytes ? words.megabytes(bytes) : "–"}</td>
      <td>{latency_ms ? words.milliseconds(latency_ms) : "–"}</td>
      <td>{agreement !== undefined ? words.agrees(agreement, compared ?? 0) : unproved ?? "–"}</td>
    </tr>
  );
}
