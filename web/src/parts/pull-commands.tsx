// The commands that get an image, for each client, with everything filled in.
import { useState } from "react";
import type { Instance } from "./instance";
import { domainOf } from "./instance";
import { Command } from "./copy";
import { Dialog } from "./dialog";
import { Tabs } from "./page";
import { t } from "./words";

interface Props {
  instance: Instance;
  name: string;
  tag: string;
  push?: boolean;
  onClose?: () => void;
}

function commands(host: string, image: string, plain: boolean): Record<string, string[]> {
  const off = plain ? " --tls-verify=false" : "";
  return {
    docker: [`docker pull ${image}`],
    podman: [`podman pull${off} ${image}`],
    containerd: [`ctr images pull${plain ? " --plain-http" : ""} --user USERNAME:PASSWORD ${image}`, `nerdctl pull ${plain ? "--insecure-registry " : ""}${image}`],
    Kubernetes: [
      `kubectl create secret docker-registry registry-login --docker-server=${host} --docker-username=USERNAME --docker-password=PASSWORD`,
      `spec:\n  imagePullSecrets:\n    - name: registry-login\n  containers:\n    - name: app\n      image: ${image}`,
    ],
    skopeo: [`skopeo copy${plain ? " --src-tls-verify=false" : ""} docker://${image} docker-archive:image.tar`],
  };
}

export function PullCommands({ instance, name, tag, push, onClose }: Props) {
  const [client, setClient] = useState(localStorage.getItem("roadstead.client") ?? "docker");
  const host = domainOf(instance);
  const separator = tag.includes(":") ? "@" : ":";
  const all = commands(host, `${host}/${name}${separator}${tag}`, location.protocol === "http:");
  const shown = client in all ? client : "docker";
  const choose = (key: string) => {
    localStorage.setItem("roadstead.client", key);
    setClient(key);
  };
  const body = (
    <div className="pull-commands">
      <Tabs name={t("Client")} shown={shown} onShow={choose} tabs={Object.keys(all).map((key) => ({ key, text: key }))} />
      {all[shown].map((each) => <Command key={each} text={each} />)}
      {push && (
        <>
          <h3>{t("Push")}</h3>
          <Command text={`docker login ${host}`} />
          <Command text={`docker tag IMAGE ${host}/${name}:${tag}`} />
          <Command text={`docker push ${host}/${name}:${tag}`} />
        </>
      )}
    </div>
  );
  return onClose ? <Dialog title={t("Pull {name}", { name: `${name}${separator}${tag}` })} onClose={onClose} wide>{body}</Dialog> : body;
}
