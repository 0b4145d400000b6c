// A window over the page: the browser's own dialog, which keeps the focus inside, closes with Escape and gives the focus
// back.
import { useEffect, useId, useRef, type ReactNode } from "react";
import { CloseIcon } from "tdesign-icons-react";
import { Toasts } from "./toast";
import { t } from "./words";

interface Props {
  title: string;
  onClose: () => void;
  children: ReactNode;
  wide?: boolean;
}

export function Dialog({ title, onClose, children, wide }: Props) {
  const shown = useRef<HTMLDialogElement>(null);
  const heading = useId();
  useEffect(() => {
    const dialog = shown.current;
    if (dialog && !dialog.open) dialog.showModal();
    return () => dialog?.close();
  }, []);
  return (
    <dialog
      ref={shown}
      className={wide ? "dialog dialog-wide" : "dialog"}
      aria-labelledby={heading}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onMouseDown={(event) => event.target === shown.current && onClose()}
    >
      <div className="dialog-inside">
        <header>
          <h2 id={heading}>{title}</h2>
          <button type="button" className="icon-button" onClick={onClose} aria-label={t("Close")}>
            <CloseIcon />
          </button>
        </header>
        {children}
        <Toasts />
      </div>
    </dialog>
  );
}
