import { createRoot } from "react-dom/client";
import "tdesign-react/es/_util/react-19-adapter";
import "./style/index.css";
import { App } from "./app";
import { prepareWords } from "./parts/words";
import { prepareTheme } from "./parts/theme";

prepareTheme();
void prepareWords().then(() => createRoot(document.getElementById("root")!).render(<App />));
