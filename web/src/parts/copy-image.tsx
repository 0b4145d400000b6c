// An image gets another tag, here or in another repository: nothing is pulled or pushed for it.
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { ActionDialog } from "./action-form";
import { Button } from "./button";
import { useInstance, useNamespaceNames } from "./instance";
import { announce } from "./toast";
import { t } from "./words";

interface Props {
  where: { RegistryId: string; NamespaceName: string; RepositoryName: string };
  tag: string;
}

export function CopyImage({ where, tag }: Props) {
  const { RegistryId } = useInstance();
  const cache = useQueryClient();
  const names = useNamespaceNames(RegistryId);
  const [open, setOpen] = useState(false);
  return (
    <>
      <Button variant="outline" onClick={() => setOpen(true)}>{t("Copy")}</Button>
      {open && (
        <ActionDialog
          title={t("Copy {name}", { name: `${where.RepositoryName}:${tag}` })}
          action="DuplicateImage"
          fixed={{ RegistryId, SourceNamespace: where.NamespaceName, SourceRepo: where.RepositoryName, SourceReference: tag }}
          fields={["DestinationNamespace", "DestinationRepo", "DestinationTag", "Override"]}
          initial={{ DestinationNamespace: where.NamespaceName, DestinationRepo: where.RepositoryName }}
          special={{ DestinationNamespace: names?.length ? { options: names.map((each) => ({ value: each, label: each })) } : {} }}
          submit={t("Copy")}
          onDone={(_, asked) => {
            setOpen(false);
            announce(t("{name} is created", { name: `${asked.DestinationNamespace}/${asked.DestinationRepo}:${asked.DestinationTag}` }));
            void cache.invalidateQueries({ predicate: (query) => query.queryKey[1] === RegistryId });
          }}
          onCancel={() => setOpen(false)}
        />
      )}
    </>
  );
}
