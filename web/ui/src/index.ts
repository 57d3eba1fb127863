export { Button, type ButtonProps } from "./Button.tsx";
export { Chip, type Tone } from "./Chip.tsx";
export { Dialog } from "./Dialog.tsx";
export { Kbd } from "./Kbd.tsx";
export { Select, type Choice } from "./Select.tsx";
