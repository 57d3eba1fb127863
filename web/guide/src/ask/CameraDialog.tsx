import { Button, Dialog } from "@fieldguide/ui";
import { Check, RotateCcw, SwitchCamera } from "lucide-react";
import { useEffect, useRef, useState } from "react";

import { Trouble } from "../Trouble.tsx";
import { useWords, type Words } from "../words/index.ts";
import { toJpeg } from "./plainCopy.ts";

type Facing = "environment" | "user";
type State =
  | { readonly kind: "starting" }
  | { readonly kind: "live" }
  | { readonly kind: "refused"; readonly reason: string }
  | { readonly kind: "taken"; readonly file: Blob; readonly url: string };

/** Takes a picture with the camera: what it sees, a look at what was taken, and again if it is not good. */
export default function CameraDialog({ onPicture, onClose }: { onPicture: (file: Blob) => void; onClose: () => void }) {
  const words = useWords();
  const [facing, setFacing] = useState<Facing>("environment");
  const [state, setState] = useState<State>({ kind: "starting" });
  const { video, cameras } = useCamera(facing, setState);
  const taken = state.kind === "taken" ? state.url : null;
  useEffect(() => () => {
    if (taken !== null) URL.revokeObjectURL(taken);
  }, [taken]);
  const take = async () => {
    if (!video.current) return;
    const file = await still(video.current);
    setState({ kind: "taken", file, url: URL.createObjectURL(file) });
  };
  return (
    <Dialog open title={words.camera} onClose={onClose} className="camera-dialog">
      {state.kind === "refused" ? (
        <div className="camera-refused">
          <Trouble title={words.noCamera} message={whyNot(state.reason, words)} />
        </div>
      ) : (
        <>
          <div className="viewfinder" data-state={state.kind}>
            {/* it runs on behind a picture that was taken, so that another can be taken at once */}
            <video ref={video} muted playsInline autoPlay aria-label={words.whatItSees} data-mirrored={facing === "user"} hidden={taken !== null} />
            {taken !== null && <img src={taken} alt={words.takenPicture} />}
            {state.kind === "starting" && <p>{words.startingCamera}</p>}
          </div>
          <div className="camera-bar">
            {state.kind === "taken" ? (
              <>
                <Button icon={<RotateCcw size={18} aria-hidden="true" />} onClick={() => setState({ kind: "live" })}>{words.retake}</Button>
                <Button tone="accent" autoFocus icon={<Check size={18} aria-hidden="true" />} onClick={() => onPicture(state.file)}>{words.useIt}</Button>
              </>
            ) : (
              <>
                <button type="button" className="shutter" aria-label={words.shutter} disabled={state.kind !== "live"} onClick={() => void take()} />
                {cameras > 1 && (
                  <Button className="turn" icon={<SwitchCamera size={19} aria-hidden="true" />} onClick={() => setFacing(facing === "user" ? "environment" : "user")}>
                    {words.otherCamera}
                  </Button>
                )}
              </>
            )}
          </div>
        </>
      )}
    </Dialog>
  );
}

/** Show a camera in a video for as long as the window is open; return the video, and how many cameras there are. */
function useCamera(facing: Facing, show: (state: State) => void) {
  const video = useRef<HTMLVideoElement>(null);
  const [cameras, setCameras] = useState(1);
  useEffect(() => {
    let isClosed = false;
    let stream: MediaStream | undefined;
    const stop = () => stream?.getTracks().forEach((track) => track.stop());
    const start = async () => {
      // absent where the page came unencrypted: a browser then gives no camera to it
      const devices = (navigator as { mediaDevices?: MediaDevices }).mediaDevices;
      if (!devices) throw new DOMException("", "SecurityError");
      stream = await devices.getUserMedia({ audio: false, video: { facingMode: facing, width: { ideal: 1920 }, height: { ideal: 1440 } } });
      if (isClosed) return stop();
      if (video.current) {
        video.current.srcObject = stream;
        await video.current.play();
      }
      const known = await devices.enumerateDevices();
      setCameras(known.filter(({ kind }) => kind === "videoinput").length);
      show({ kind: "live" });
    };
    show({ kind: "starting" });
    start().catch((error: unknown) => {
      stop();
      if (!isClosed) show({ kind: "refused", reason: error instanceof DOMException ? error.name : "" });
    });
    return () => {
      isClosed = true;
      stop();
    };
  }, [facing, show]);
  return { video, cameras };
}

function whyNot(reason: string, words: Words): string {
  if (reason === "NotAllowedError") return words.cameraRefused;
  if (reason === "NotFoundError" || reason === "OverconstrainedError") return words.cameraMissing;
  if (reason === "NotReadableError" || reason === "AbortError") return words.cameraBusy;
  return reason === "SecurityError" ? words.cameraUnencrypted : words.cameraFails;
}

/** Return what the camera sees now, whole and not mirrored. */
function still(video: HTMLVideoElement): Promise<Blob> {
  const canvas = document.createElement("canvas");
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext("2d")?.drawImage(video, 0, 0);
  return toJpeg(canvas);
}
