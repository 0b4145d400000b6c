// What can be done with a row of a table, in the same order everywhere.
import type { ReactNode } from "react";
import { Button } from "./button";
import { t } from "./words";

interface Props {
  onEdit?: () => void;
  onDelete?: () => void;
  /** What the last one is called, where nothing is deleted. */
  verb?: string;
  children?: ReactNode;
}

export function RowActions({ onEdit, onDelete, verb, children }: Props) {
  return (
    <span className="nowrap row-actions">
      {onEdit && <Button variant="text" size="small" onClick={onEdit}>{t("Edit")}</Button>}
      {children}
      {onDelete && <Button variant="text" size="small" theme="danger" onClick={onDelete}>{verb ?? t("Delete")}</Button>}
    </span>
  );
}
