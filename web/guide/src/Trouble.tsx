import { TriangleAlert } from "lucide-react";

/** What went wrong, and what can be done about it. */
export function Trouble({ title, message }: { title: string; message: string }) {
  return (
    <div className="trouble" role="alert">
      <TriangleAlert size={20} aria-hidden="true" />
      <div>
        <p className="trouble-title">{title}</p>
        {message !== "" && <p>{message}</p>}
      </div>
    </div>
  );
}
