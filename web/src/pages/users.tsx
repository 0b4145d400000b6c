// Sub-accounts: people and programs beside the owner, with their policies, groups and keys.
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Tag } from "tdesign-react";
import { useState } from "react";
import { Link, useNavigate, useParams } from "react-router";
import { call, type Schemas } from "../api/client";
import { AccessKeys } from "../parts/access-keys";
import { ActionDialog, EditDialog } from "../parts/action-form";
import { tabIn, useAddress } from "../parts/address";
import { AttachedPolicies } from "../parts/attached-policies";
import { Button } from "../parts/button";
import { Confirm } from "../parts/confirm";
import { Command } from "../parts/copy";
import { Dialog } from "../parts/dialog";
import { Membership } from "../parts/membership";
import { Card, Facts, Page, Tabs } from "../parts/page";
import { ProblemBox } from "../parts/problem";
import { ResourceTable } from "../parts/resource-table";
import { time } from "../parts/shown";
import { announce } from "../parts/toast";
import { t } from "../parts/words";
import { When } from "../parts/when";
import { Download, Toggle } from "./credentials";

type Row = Schemas["UserInfo"];
type Made = Schemas["AddedUser"];

export default function Users() {
  const { name } = useParams();
  return name ? <User name={name} /> : <UserList />;
}

function UserList() {
  const cache = useQueryClient();
  const [creating, setCreating] = useState(false);
  const [made, setMade] = useState<Made>();
  const create = <Button theme="primary" onClick={() => setCreating(true)}>{t("New user")}</Button>;
  return (
    <Page title={t("Users")} lead={t("People and programs beside the owner. A new user may do nothing until it is given a policy or put into a group.")}>
      <ResourceTable<Row>
        name={t("Users")}
        keys={["users"]}
        search={t("Search by name")}
        ask={async (page, search, _, signal) => {
          const found = await call("ListUsers", { ...page, Keyword: search }, signal);
          return { rows: found.Data, last: found.Last, total: found.TotalCount };
        }}
        rowKey={(row) => row.Name}
        to={(row) => `/users/${encodeURIComponent(row.Name)}`}
        actions={create}
        columns={[
          { title: t("Name"), cell: (row) => <><Link to={`/users/${encodeURIComponent(row.Name)}`}>{row.Name}</Link>{row.Remark && <div className="muted clip">{row.Remark}</div>}</> },
          { title: t("Account number"), minor: true, cell: (row) => <code>{row.Uin}</code> },
          { title: t("Console"), minor: true, cell: (row) => (row.ConsoleLogin ? (row.Totp ? t("password and second factor") : t("password")) : "—") },
          { title: t("State"), cell: (row) => (row.Enabled ? <Tag theme="success" variant="light">{t("Enabled")}</Tag> : <Tag variant="light">{t("Disabled")}</Tag>) },
          { title: t("Created"), minor: true, cell: (row) => <When at={row.CreateTime} /> },
        ]}
        empty={{ title: t("There is no user yet"), text: t("Give each person and each program an account of its own:"), commands: ["roadstead user create alice"], action: create }}
      />
      {creating && (
        <ActionDialog
          title={t("New user")}
          action="AddUser"
          fields={["Name", "Remark", "ConsoleLogin", "NeedResetPassword", "UseApi", "Email", "CountryCode", "PhoneNum"]}
          initial={{ ConsoleLogin: 1, NeedResetPassword: 1, UseApi: 0 }}
          special={{
            ConsoleLogin: consoleLogin(),
            NeedResetPassword: { options: yesNo() },
            UseApi: { options: yesNo(), help: t("With a key, programs call the API in its name.") },
          }}
          submit={t("Create")}
          onDone={(answer) => {
            setCreating(false);
            setMade(answer);
            void cache.invalidateQueries({ queryKey: ["users"] });
          }}
          onCancel={() => setCreating(false)}
        />
      )}
      {made && <MadeUser made={made} onClose={() => setMade(undefined)} />}
    </Page>
  );
}

const consoleLogin = () => ({ options: yesNo(), help: t("With a password, which is made for it.") });
const yesNo = () => [{ value: 1, label: t("Yes") }, { value: 0, label: t("No") }];

function MadeUser({ made, onClose }: { made: Made; onClose: () => void }) {
  const navigate = useNavigate();
  const lines = [`NAME=${made.Name}`, `PASSWORD=${made.Password}`, ...(made.SecretId ? [`SECRET_ID=${made.SecretId}`, `SECRET_KEY=${made.SecretKey}`] : [])];
  return (
    <Dialog title={t("User {name}", { name: made.Name })} onClose={onClose} wide>
      <div className="action-form">
        <p>{t("What is secret here is shown this once.")}</p>
        {made.Password && <><label>{t("Password of the console")}</label><Command text={made.Password} secret /></>}
        {made.SecretId && <><label>{t("API key")}</label><Command text={made.SecretId} /><Command text={made.SecretKey} secret /></>}
        <footer>
          <Download name={`${made.Name}.txt`} text={`${lines.join("\n")}\n`} />
          <Button theme="primary" onClick={() => void navigate(`/users/${encodeURIComponent(made.Name)}?tab=policies`)}>{t("Give it a policy")}</Button>
        </footer>
      </div>
    </Dialog>
  );
}

function User({ name }: { name: string }) {
  const cache = useQueryClient();
  const navigate = useNavigate();
  const [address, change] = useAddress();
  const [editing, setEditing] = useState(false);
  const [renewing, setRenewing] = useState(false);
  const [deleting, setDeleting] = useState(false);
  const found = useQuery({ queryKey: ["user", name], queryFn: () => call("GetUser", { Name: name }) });
  const again = () => {
    void cache.invalidateQueries({ queryKey: ["user", name] });
    void cache.invalidateQueries({ queryKey: ["users"] });
  };
  const switching = useMutation({ mutationFn: (enabled: boolean) => call("ModifyUserStatus", { Name: name, Enabled: enabled }), onSuccess: again });
  const resetting = useMutation({ mutationFn: () => call("ModifyUserStatus", { Name: name, ResetTotp: true }), onSuccess: again });
  const above = [{ text: t("Users"), to: "/users" }];
  if (found.isError) return <Page title={name} above={above}><ProblemBox error={found.error} /></Page>;
  if (!found.data) return <Page title={name} above={above}><p className="muted" aria-busy="true">{t("Loading")}</p></Page>;
  const user = found.data;
  const tabs = [{ key: "policies", text: t("Policies") }, { key: "groups", text: t("Groups") }, { key: "keys", text: t("API keys") }];
  const tab = tabIn(address, tabs);
  return (
    <Page
      title={name}
      above={above}
      actions={
        <>
          <Button variant="outline" onClick={() => setEditing(true)}>{t("Edit")}</Button>
          <Button variant="outline" onClick={() => setRenewing(true)}>{t("New password")}</Button>
          <Button variant="outline" theme="danger" onClick={() => setDeleting(true)}>{t("Delete")}</Button>
        </>
      }
    >
      {(switching.error ?? resetting.error) && <ProblemBox error={switching.error ?? resetting.error} />}
      <Card>
        <Facts
          facts={[
            [t("Account number"), <code key="u">{user.Uin}</code>],
            [t("Remark"), user.Remark || "—"],
            [t("Enabled"), <Toggle key="e" name={name} on={user.Enabled} onChange={() => switching.mutate(!user.Enabled)} />],
            [t("Second factor"), user.Totp ? <Button key="t" size="small" variant="outline" onClick={() => resetting.mutate()}>{t("Remove, it is lost")}</Button> : t("none")],
            [t("Must choose another password"), user.NeedResetPassword ? t("Yes, at the next login") : t("No")],
            [t("Mail address"), user.Email || "—"],
            [t("Telephone"), [user.CountryCode && `+${user.CountryCode}`, user.PhoneNum].filter(Boolean).join(" ") || "—"],
            [t("Last login"), user.RecentlyLoginTime ? `${time(user.RecentlyLoginTime)} · ${user.RecentlyLoginIP}` : "—"],
            [t("Created"), time(user.CreateTime)],
          ]}
        />
        <p><Link to={`/access?who=${user.Uin}`}>{t("What may it do, and why?")}</Link></p>
      </Card>
      <Tabs
        name={name}
        shown={tab}
        onShow={(key) => change({ tab: key === "policies" ? null : key, last: null })}
        tabs={tabs}
      />
      {tab === "policies" && <UserPolicies uin={user.Uin} />}
      {tab === "groups" && <UserGroups uin={user.Uin} />}
      {tab === "keys" && <AccessKeys uin={user.Uin} />}
      {editing && (
        <EditDialog
          title={name}
          action="UpdateUser"
          fixed={{ Name: name }}
          fields={["Remark", "ConsoleLogin", "NeedResetPassword", "Email", "CountryCode", "PhoneNum"]}
          initial={{ Remark: user.Remark, ConsoleLogin: user.ConsoleLogin, NeedResetPassword: user.NeedResetPassword, Email: user.Email, CountryCode: user.CountryCode, PhoneNum: user.PhoneNum }}
          special={{ ConsoleLogin: consoleLogin(), NeedResetPassword: { options: yesNo() } }}
          onSaved={again}
          onClose={() => setEditing(false)}
        />
      )}
      {renewing && (
        <EditDialog
          title={t("New password")}
          action="UpdateUser"
          fixed={{ Name: name, ConsoleLogin: 1 }}
          fields={["Password", "NeedResetPassword"]}
          initial={{ NeedResetPassword: 1 }}
          special={{ Password: { required: true }, NeedResetPassword: { options: yesNo() } }}
          onSaved={again}
          onClose={() => setRenewing(false)}
        />
      )}
      {deleting && (
        <Confirm
          title={t("Delete user {name}?", { name })}
          typed={name}
          text={<p>{t("Its access credentials, API keys and logins end at once. What it has pushed stays.")}</p>}
          act={() => call("DeleteUser", { Name: name, Force: 1 })}
          onDone={() => {
            announce(t("{name} is deleted", { name }));
            again();
            void navigate("/users");
          }}
          onCancel={() => setDeleting(false)}
        />
      )}
    </Page>
  );
}

function UserPolicies({ uin }: { uin: number }) {
  const cache = useQueryClient();
  return (
    <AttachedPolicies
      keys={["user-policies", uin]}
      ask={async (page, signal) => {
        const found = await call("ListAttachedUserPolicies", { TargetUin: uin, ...page }, signal);
        return { rows: found.List, last: found.Last, total: found.TotalCount };
      }}
      attach={(policy) => call("AttachUserPolicy", { PolicyId: policy, AttachUin: uin })}
      detach={(policy) => call("DetachUserPolicy", { PolicyId: policy, DetachUin: uin })}
      onDone={() => void cache.invalidateQueries({ queryKey: ["user-policies", uin] })}
      empty={{ title: t("It has no policy of its own"), text: t("Without a policy it may do nothing, except for what its groups may do.") }}
    />
  );
}

function UserGroups({ uin }: { uin: number }) {
  const cache = useQueryClient();
  const groups = useQuery({ queryKey: ["groups", "choice"], queryFn: () => call("ListGroups", { Limit: 500 }) });
  return (
    <Membership<Schemas["GroupInfo"]>
      name={t("Groups")}
      keys={["user-groups", uin]}
      ask={async (page, signal) => {
        const found = await call("ListGroupsForUser", { SubUin: uin, ...page }, signal);
        return { rows: found.GroupInfo, last: found.Last, total: found.TotalCount };
      }}
      to={(row) => `/groups/${row.GroupId}`}
      hint={t("Put into a group")}
      choices={groups.data?.GroupInfo.map((each) => ({ id: each.GroupId, name: each.GroupName })) ?? []}
      pair={(id) => ({ GroupId: id, Uin: uin })}
      idOf={(row) => row.GroupId}
      onDone={() => void cache.invalidateQueries({ queryKey: ["user-groups", uin] })}
      columns={[
        { title: t("Group"), cell: (row) => <Link to={`/groups/${row.GroupId}`}>{row.GroupName}</Link> },
        { title: t("Remark"), minor: true, cell: (row) => row.Remark || "—" },
      ]}
      empty={{ title: t("It is in no group"), text: t("What a group may do, each of its members may do.") }}
    />
  );
}
