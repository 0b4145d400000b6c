// How much clients of an instance may use in a second: each address, each credential, all together.
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Tag } from "tdesign-react";
import { useState } from "react";
import { call, type Request, type Schemas } from "../api/client";
import { EditDialog } from "../parts/action-form";
import { useInstance } from "../parts/instance";
import { Card } from "../parts/page";
import { ProblemBox } from "../parts/problem";
import { RowActions } from "../parts/row-actions";
import { number, size } from "../parts/shown";
import { t, type Text } from "../parts/words";

type Row = Schemas["RateRow"];
type Field = Exclude<keyof Request<"ModifyInstanceRates">, "RegistryId">;

const WHO: Record<Row["Who"], { text: Text; requests: Field; bytes: Field }> = {
  address: { text: "Each address", requests: "AddressRequests", bytes: "AddressBytes" },
  credential: { text: "Each credential", requests: "CredentialRequests", bytes: "CredentialBytes" },
  instance: { text: "All clients together", requests: "InstanceRequests", bytes: "InstanceBytes" },
};

export function Rates() {
  const { RegistryId } = useInstance();
  const cache = useQueryClient();
  const [changing, setChanging] = useState<Row>();
  const found = useQuery({ queryKey: ["rates", RegistryId], queryFn: () => call("DescribeInstanceRates", { RegistryId }) });
  if (found.isError) return <ProblemBox error={found.error} />;
  if (!found.data) return <p className="muted" aria-busy="true">{t("Loading")}</p>;
  const help = t("0: no limit; -1: as the settings of the server say.");
  return (
    <Card>
      <p className="muted">{t("Who asks for more is told to come again in a moment; transfers are slowed down.")}</p>
      <ul className="plain-list">
        {found.data.Rates.map((each) => (
          <li key={each.Who}>
            <strong>{t(WHO[each.Who].text)}</strong>
            <span>{each.Requests ? t("{count} requests a second", { count: number(each.Requests) }) : t("any number of requests")}</span>
            <span>{each.Bytes ? t("{size} a second", { size: size(each.Bytes) }) : t("transfers of any speed")}</span>
            {each.Own && <Tag variant="light">{t("of this instance")}</Tag>}
            <span className="toolbar-gap" />
            <RowActions onEdit={() => setChanging(each)} />
          </li>
        ))}
      </ul>
      {changing && (
        <EditDialog
          title={t(WHO[changing.Who].text)}
          action="ModifyInstanceRates"
          fixed={{ RegistryId }}
          fields={[WHO[changing.Who].requests, WHO[changing.Who].bytes]}
          initial={{ [WHO[changing.Who].requests]: changing.Requests, [WHO[changing.Who].bytes]: changing.Bytes }}
          special={{ [WHO[changing.Who].requests]: { label: t("Requests a second"), help }, [WHO[changing.Who].bytes]: { label: t("Bytes a second"), help } }}
          onSaved={() => void cache.invalidateQueries({ queryKey: ["rates", RegistryId] })}
          onClose={() => setChanging(undefined)}
        />
      )}
    </Card>
  );
}
