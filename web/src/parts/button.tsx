// The design system's button, always as a button: its own would become a bare box when it is disabled.
import { Button as Plain, type ButtonProps } from "tdesign-react";

export function Button(props: ButtonProps) {
  return <Plain tag="button" type="button" {...props} />;
}
