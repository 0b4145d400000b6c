// A window over the page: the browser's own dialog, which keeps the focus inside, closes with Escape and gives the focus
// back.
import { useId, useLayoutEffect, useRef, type ReactNode } from "react";
import { CloseIcon } from "tdesign-icons-react";
import { Toasts } from "./toast";
import { t } from "./words";

interface Props {
  title: string;
  onClose: () => void;
  children: ReactNode;
  wide?: boolean;
}

/** Whoever opens a window types into its first field: the browser itself would choose the button that closes it. */
export function focusFirst(place: Element | null): void {
  place?.querySelector<HTMLElement>(":is(input, select, textarea):not([disabled], [readonly])")?.focus();
}

export function Dialog({ title, onClose, children, wide }: Props) {
  const shown = useRef<HTMLDialogElement>(null);
  const heading = useId();
  // It is closed while it still stands in the page: from one that is gone the browser gives no focus back.
  useLayoutEffect(() => {
    const dialog = shown.current;
    if (dialog && !dialog.open) {
      dialog.showModal();
      focusFirst(dialog.querySelector(".dialog-body"));
    }
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
        <div className="dialog-body">{children}</div>
        <Toasts />
      </div>
    </dialog>
  );
}
