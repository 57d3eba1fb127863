import { Button } from "@fieldguide/ui";
import { Camera, ImagePlus } from "lucide-react";
import { useEffect, useEffectEvent, useRef, useState } from "react";

import { type Format, MEDIA_TYPES } from "./header.ts";
import { useWords } from "./words/index.ts";

interface Props {
  /** the address of the chosen picture */
  picture: string | null;
  formats: readonly string[];
  onFile: (file: Blob) => void;
}

/** Where a picture is chosen, dropped, pasted or taken. */
export function Picker({ picture, formats, onFile }: Props) {
  const words = useWords();
  const chooser = useRef<HTMLInputElement>(null);
  const camera = useRef<HTMLInputElement>(null);
  const isOver = usePageDrop(onFile);
  // named one by one, so that a phone gives its HEIC pictures as JPEG
  const accept = formats.map((format) => MEDIA_TYPES[format as Format]).join(",");
  const take = (input: HTMLInputElement) => {
    const file = input.files?.[0];
    input.value = ""; // the same file may be chosen again
    if (file) onFile(file);
  };
  return (
    <section className={isOver ? "picker over" : "picker"} aria-label={words.picture}>
      <div className="picture">
        {picture === null ? (
          <ImagePlus size={56} strokeWidth={1.25} aria-hidden="true" />
        ) : (
          <img src={picture} alt={words.yourPicture} />
        )}
      </div>
      <div className="picker-bar">
        <Button tone="accent" icon={<ImagePlus size={18} aria-hidden="true" />} onClick={() => chooser.current?.click()}>
          {words.choose}
        </Button>
        <Button className="camera" icon={<Camera size={18} aria-hidden="true" />} onClick={() => camera.current?.click()}>
          {words.takeOne}
        </Button>
        <span className="soft hint">{words.dropOrPaste}</span>
      </div>
      <input ref={chooser} type="file" id="choose" accept={accept} hidden onChange={(event) => take(event.currentTarget)} />
      <input ref={camera} type="file" accept={accept} capture="environment" hidden onChange={(event) => take(event.currentTarget)} />
    </section>
  );
}

/** Take pictures dropped anywhere on the page or pasted into it; return whether one is held over it. */
function usePageDrop(onFile: (file: Blob) => void): boolean {
  const [isOver, setOver] = useState(false);
  const take = useEffectEvent((data: DataTransfer | null) => {
    const file = data?.files[0];
    if (file) onFile(file);
    return Boolean(file);
  });
  useEffect(() => {
    const over = (event: DragEvent) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      setOver(true);
    };
    const leave = (event: DragEvent) => {
      if (event.relatedTarget === null) setOver(false);
    };
    const drop = (event: DragEvent) => {
      setOver(false);
      if (take(event.dataTransfer)) event.preventDefault();
    };
    const paste = (event: ClipboardEvent) => {
      if (take(event.clipboardData)) event.preventDefault();
    };
    document.addEventListener("dragover", over);
    document.addEventListener("dragleave", leave);
    document.addEventListener("drop", drop);
    document.addEventListener("paste", paste);
    return () => {
      document.removeEventListener("dragover", over);
      document.removeEventListener("dragleave", leave);
      document.removeEventListener("drop", drop);
      document.removeEventListener("paste", paste);
    };
  }, []);
  return isOver;
}
