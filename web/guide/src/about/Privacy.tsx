import type { Guide } from "../guide.ts";
import { useWords } from "../words/index.ts";
import { Section } from "./About.tsx";

/** What becomes of a picture, where the page came from a server and where it did not; and what the page keeps. */
export function Privacy({ guide }: { guide: Guide }) {
  const words = useWords();
  const { served } = guide;
  return (
    <article className="text">
      <h1 tabIndex={-1}>{words.privacy}</h1>
      {served === null ? (
        <Section title={words.yourPictures}>
          <p className="lead">{words.privacyHere}</p>
          <p>{words.privacyHereProof}</p>
        </Section>
      ) : (
        <Section title={words.yourPictures}>
          <p className="lead">{words.privacyServer}</p>
          {served.model !== null && <p>{words.privacySwitch}</p>}
          <p>{served.feedback ? words.privacyFeedback : words.privacyNoFeedback}</p>
          <p>{words.privacyLog}</p>
        </Section>
      )}
      <Section title={words.onThisDevice}>
        <p>{served === null ? words.privacyKeptOffline : words.privacyKept}</p>
      </Section>
      <Section title={words.thirdParties}><p>{words.privacyOthers}</p></Section>
    </article>
  );
}
