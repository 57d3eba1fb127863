import { Button } from "@fieldguide/ui";
import { Camera, ImagePlus } from "lucide-react";
import { useRef } from "react";

import { type Format, MEDIA_TYPES } from "../header.ts";
import { useWords } from "../words/index.ts";

interface Props {
  formats: readonly string[];
  onFiles: (files: readonly File[]) => void;
  onCamera: () => void;
  /** whether this is for more pictures beside those that are there */
  more: boolean;
}

/** The two buttons that pictures come by: a choice of files, and the camera. */
export function Picker({ formats, onFiles, onCamera, more }: Props) {
  const words = useWords();
  const chooser = useRef<HTMLInputElement>(null);
  // named one by one, so that a phone gives its HEIC pictures as JPEG
  const accept = formats.map((format) => MEDIA_TYPES[format as Format]).join(",");
  const take = (input: HTMLInputElement) => {
    const files = [...(input.files ?? [])];
    input.value = ""; // the same file may be chosen again
    if (files.length > 0) onFiles(files);
  };
  return (
    <div className="picker">
      <Button
        tone={more ? "plain" : "accent"}
        icon={<ImagePlus size={19} aria-hidden="true" />}
        onClick={() => chooser.current?.click()}
      >
        {more ? words.addPictures : words.choose}
      </Button>
      <Button icon={<Camera size={19} aria-hidden="true" />} onClick={onCamera}>{words.takeOne}</Button>
      <input ref={chooser} type="file" id="choose" accept={accept} multiple hidden onChange={(event) => take(event.currentTarget)} />
    </div>
  );
}
