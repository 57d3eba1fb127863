import type { Guide } from "../guide.ts";
import { below } from "../request.ts";
import { useWords } from "../words/index.ts";

const SHOWN = 5;

/** Examples of the guide itself, for who has no picture at hand. */
export function Tries({ guide, onFile }: { guide: Guide; onFile: (file: Blob) => void }) {
  const words = useWords();
  const examples = guide.classes.flatMap(({ examples: [first] }) => (first ? [first.file] : []));
  const step = Math.max(1, Math.floor(examples.length / SHOWN));
  const shown = examples.filter((_, place) => place % step === 0).slice(0, SHOWN);
  if (shown.length === 0) return null;
  const give = async (file: string) => {
    const response = await fetch(below(file));
    if (response.ok) onFile(await response.blob());
  };
  return (
    <div className="tries">
      <p className="soft">{words.tryOne}</p>
      <ul>
        {shown.map((file, place) => (
          <li key={file}>
            <button type="button" onClick={() => void give(file)}>
              <img src={`./${file}`} alt={words.exampleNumber(place + 1)} loading="lazy" width="72" height="72" />
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}
