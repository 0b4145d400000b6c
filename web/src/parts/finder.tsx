// Ctrl+K: to a page or a repository by a few letters.
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useNavigate } from "react-router";
import { call } from "../api/client";
import { Dialog } from "./dialog";
import { instanceNamed } from "./instance";
import { t, type Text } from "./words";

interface Props {
  instance: string;
  pages: { text: Text; to: string }[];
  onClose: () => void;
}

async function repositories(instance: string, text: string) {
  const found = await instanceNamed(instance);
  if (!found) return [];
  const page = await call("DescribeRepositories", { RegistryId: found.RegistryId, RepositoryName: text, Limit: 8 });
  return page.RepositoryList.map((each) => ({ name: each.Name, to: `/i/${instance}/repositories/${each.Name}` }));
}

export function Finder({ instance, pages, onClose }: Props) {
  const [text, setText] = useState("");
  const [place, setPlace] = useState(0);
  const navigate = useNavigate();
  const found = useQuery({ queryKey: ["finder", instance, text], queryFn: () => repositories(instance, text), enabled: Boolean(instance && text) });
  const fitting = pages.map((each) => ({ name: t(each.text), to: each.to })).filter((each) => each.name.toLowerCase().includes(text.toLowerCase()));
  const entries = [...fitting, ...(text ? (found.data ?? []) : [])];
  const go = (to: string | undefined) => {
    if (!to) return;
    onClose();
    void navigate(to);
  };
  return (
    <Dialog title={t("Go to …")} onClose={onClose}>
      <div className="finder">
        <input
          role="combobox"
          aria-expanded="true"
          aria-controls="finder-list"
          aria-activedescendant={entries.length ? `finder-${place}` : undefined}
          aria-label={t("A page or a repository")}
          placeholder={t("A page or a repository")}
          value={text}
          onChange={(event) => {
            setText(event.target.value);
            setPlace(0);
          }}
          onKeyDown={(event) => {
            if (event.key === "ArrowDown") setPlace(Math.min(place + 1, entries.length - 1));
            else if (event.key === "ArrowUp") setPlace(Math.max(place - 1, 0));
            else if (event.key === "Enter") go(entries[place]?.to);
            else return;
            event.preventDefault();
          }}
        />
        <ul id="finder-list" role="listbox" aria-label={t("Found")}>
          {entries.map((each, index) => (
            <li key={each.to} id={`finder-${index}`} role="option" aria-selected={index === place} onClick={() => go(each.to)}>
              {each.name}
            </li>
          ))}
        </ul>
      </div>
    </Dialog>
  );
}
