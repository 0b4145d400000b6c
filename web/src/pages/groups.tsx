// Groups: members have what the group is given.
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useNavigate, useParams } from "react-router";
import { call, type Schemas } from "../api/client";
import { ActionDialog, EditDialog } from "../parts/action-form";
import { tabIn, useAddress } from "../parts/address";
import { AttachedPolicies } from "../parts/attached-policies";
import { Button } from "../parts/button";
import { Confirm } from "../parts/confirm";
import { Membership } from "../parts/membership";
import { Page, Tabs } from "../parts/page";
import { ProblemBox } from "../parts/problem";
import { ResourceTable } from "../parts/resource-table";
import { t } from "../parts/words";
import { When } from "../parts/when";

type Row = Schemas["GroupInfo"];
type Member = Schemas["roadstead.services.groups.MemberInfo"];

export default function Groups() {
  const { group } = useParams();
  return group ? <Group id={Number(group)} /> : <GroupList />;
}

function GroupList() {
  const cache = useQueryClient();
  const [creating, setCreating] = useState(false);
  const create = <Button theme="primary" onClick={() => setCreating(true)}>{t("New group")}</Button>;
  return (
    <Page title={t("Groups")} lead={t("What a group may do, each of its members may do.")}>
      <ResourceTable<Row>
        name={t("Groups")}
        keys={["groups"]}
        search={t("Search by name")}
        ask={async (page, search, _, signal) => {
          const found = await call("ListGroups", { ...page, Keyword: search }, signal);
          return { rows: found.GroupInfo, last: found.Last, total: found.TotalCount };
        }}
        rowKey={(row) => String(row.GroupId)}
        to={(row) => `/groups/${row.GroupId}`}
        actions={create}
        columns={[
          { title: t("Name"), cell: (row) => <Link to={`/groups/${row.GroupId}`}>{row.GroupName}</Link> },
          { title: t("Remark"), cell: (row) => row.Remark || "—" },
          { title: t("Created"), minor: true, cell: (row) => <When at={row.CreateTime} /> },
        ]}
        empty={{ title: t("There is no group yet"), text: t("A group spares you giving the same policies to one person after another:"), commands: ["roadstead group create developers"], action: create }}
      />
      {creating && (
        <ActionDialog
          title={t("New group")}
          action="CreateGroup"
          fields={["GroupName", "Remark"]}
          submit={t("Create")}
          onDone={() => {
            setCreating(false);
            void cache.invalidateQueries({ queryKey: ["groups"] });
          }}
          onCancel={() => setCreating(false)}
        />
      )}
    </Page>
  );
}

function Group({ id }: { id: number }) {
  const cache = useQueryClient();
  const navigate = useNavigate();
  const [address, change] = useAddress();
  const [editing, setEditing] = useState(false);
  const [deleting, setDeleting] = useState(false);
  const found = useQuery({ queryKey: ["group", id], queryFn: () => call("GetGroup", { GroupId: id }) });
  const again = () => void cache.invalidateQueries({ predicate: (query) => ["group", "groups", "group-members", "group-policies"].includes(String(query.queryKey[0])) });
  const name = found.data?.GroupName ?? String(id);
  const above = [{ text: t("Groups"), to: "/groups" }];
  const tabs = [{ key: "members", text: t("Members") }, { key: "policies", text: t("Policies") }];
  const tab = tabIn(address, tabs);
  return (
    <Page
      title={name}
      lead={found.data?.Remark}
      above={above}
      actions={
        <>
          <Button variant="outline" onClick={() => setEditing(true)}>{t("Edit")}</Button>
          <Button variant="outline" theme="danger" onClick={() => setDeleting(true)}>{t("Delete")}</Button>
        </>
      }
    >
      {found.isError && <ProblemBox error={found.error} />}
      <Tabs name={name} shown={tab} onShow={(key) => change({ tab: key === "members" ? null : key, last: null })} tabs={tabs} />
      {tab === "members" && <Members id={id} again={again} />}
      {tab === "policies" && <GroupPolicies id={id} again={again} />}
      {editing && found.data && (
        <EditDialog
          title={name}
          action="UpdateGroup"
          fixed={{ GroupId: id }}
          fields={["GroupName", "Remark"]}
          initial={{ GroupName: found.data.GroupName, Remark: found.data.Remark }}
          onSaved={again}
          onClose={() => setEditing(false)}
        />
      )}
      {deleting && (
        <Confirm
          title={t("Delete group {name}?", { name })}
          text={<p>{t("Its members ({count}) lose what they have by this group. They keep what they have themselves.", { count: found.data?.GroupNum ?? 0 })}</p>}
          act={() => call("DeleteGroup", { GroupId: id })}
          onDone={() => {
            again();
            void navigate("/groups");
          }}
          onCancel={() => setDeleting(false)}
        />
      )}
    </Page>
  );
}

function Members({ id, again }: { id: number; again: () => void }) {
  const users = useQuery({ queryKey: ["users", "choice"], queryFn: () => call("ListUsers", { Limit: 500 }) });
  return (
    <Membership<Member>
      name={t("Members")}
      keys={["group-members", id]}
      ask={async (page, signal) => {
        const found = await call("ListUsersForGroup", { GroupId: id, ...page }, signal);
        return { rows: found.UserInfo, last: found.Last, total: found.TotalCount };
      }}
      to={(row) => `/users/${encodeURIComponent(row.Name)}`}
      hint={t("Add a member")}
      choices={users.data?.Data.map((each) => ({ id: each.Uin, name: each.Name })) ?? []}
      pair={(uin) => ({ GroupId: id, Uin: uin })}
      idOf={(row) => row.Uin}
      onDone={again}
      columns={[
        { title: t("Name"), cell: (row) => <Link to={`/users/${encodeURIComponent(row.Name)}`}>{row.Name}</Link> },
        { title: t("Account number"), minor: true, cell: (row) => <code>{row.Uin}</code> },
        { title: t("Remark"), minor: true, cell: (row) => row.Remark || "—" },
      ]}
      empty={{ title: t("The group has no members yet"), text: t("Add one above.") }}
    />
  );
}

function GroupPolicies({ id, again }: { id: number; again: () => void }) {
  return (
    <AttachedPolicies
      keys={["group-policies", id]}
      ask={async (page, signal) => {
        const found = await call("ListAttachedGroupPolicies", { TargetGroupId: id, ...page }, signal);
        return { rows: found.List, last: found.Last, total: found.TotalCount };
      }}
      attach={(policy) => call("AttachGroupPolicy", { PolicyId: policy, AttachGroupId: id })}
      detach={(policy) => call("DetachGroupPolicy", { PolicyId: policy, DetachGroupId: id })}
      onDone={again}
      empty={{ title: t("The group has no policy yet"), text: t("Its members may do nothing by it until it has one.") }}
    />
  );
}
