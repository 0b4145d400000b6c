// What the server says of a refusal or a failure, in Chinese. The keys are its own texts as its sources have them, with
// {} for what they name; the translations number these, and {t1} stands for one that is translated itself. Whatever is
// not here is shown as it came.
export const answers: Record<string, string> = {
  // Who one is.
  "the name or password is wrong": "账号名或密码错误",
  "the username or password is wrong": "用户名或密码错误",
  "the password is wrong": "密码错误",
  "the account is gone": "账号已不存在",
  "the account {} is disabled": "账号 {1} 已被禁用",
  "the access credential {} is disabled": "访问凭证 {1} 已被禁用",
  "the login has ended; log in again": "登录已失效，请重新登录",
  "nobody is logged in": "尚未登录",
  "nobody is logged in here": "尚未登录",
  "log in first": "请先登录",
  "log in to do {}": "请先登录，再执行 {1}",
  "log in to do {} on {}": "请先登录，再对 {2} 执行 {1}",
  "the code of the second factor is missing": "请输入动态验证码",
  "the code of the second factor is wrong, or was used before": "动态验证码错误或已使用过",
  "the password is right, but it must be changed before it opens anything: log in with a new one beside it": "密码正确，但必须先修改：请在登录时设置新密码",
  "the password need not be changed to log in; log in with it, then change it": "该密码无需在登录时修改；请先登录，再修改",
  "the header X-CSRF-Token is missing or not of this login; GET /api/v1/session tells it": "请求头 X-CSRF-Token 缺失或不属于本次登录；可由 GET /api/v1/session 获取",
  "a session token makes no other keys; use the account's own key": "临时密钥不能创建其他密钥，请使用账号自己的密钥",
  "too many failed logins for this {}; try again in {} s": "该{t1}登录失败次数过多，请在 {2} 秒后重试",
  "account": "账号",
  "address": "来源地址",
  "too many logins are being checked; try again": "正在验证的登录过多，请重试",
  "the account has no password; whoever manages users can give it one": "该账号没有密码，可由用户管理员设置",
  "the new password is the old one": "新密码与旧密码相同",
  "the password has been changed meanwhile; log in with the new one": "密码已在此期间被修改，请使用新密码登录",
  "a password has {} to {} characters": "密码长度为 {1} 至 {2} 个字符",
  "a service account's password has {} to {} characters": "服务级账号的密码长度为 {1} 至 {2} 个字符",
  "the password needs {}": "密码还需要：{t1}",
  "an upper-case letter": "大写字母",
  "a lower-case letter": "小写字母",
  "a digit": "数字",
  "a special character": "特殊字符",
  "the password must not hold the user's name": "密码不能包含用户名",
  "the password holds a character that nobody can type": "密码包含无法输入的字符",
  "there is a second factor already; remove it first": "已设置二次验证，请先移除",
  "there is no second factor": "没有设置二次验证",
  "there is no second factor to confirm; enrol one first": "没有待确认的二次验证，请先设置",
  "there is no second factor, so there is nothing to recover; set one up first": "没有设置二次验证，无需恢复码；请先设置",
  "the code is not of this secret; look at the app's clock and try the next one": "验证码与密钥不符，请检查应用的时间并使用下一个验证码",
  "there is no such login": "没有该登录",
  // What one may do.
  "account {} may not do {} on {}: {}": "账号 {1} 无权对 {3} 执行 {2}：{t4}",
  "the account owns this deployment": "该账号是此部署的所有者",
  "no policy of the account allows it": "该账号的策略均未允许此操作",
  "statement {} of the policy {} {} it": "策略 {2} 的第 {1} 条语句{t3}此操作",
  "allows": "允许",
  "denies": "拒绝",
  "statement {} of the policy {} would allow it, but its condition is not met": "策略 {2} 的第 {1} 条语句会允许此操作，但其条件未满足",
  "a permission of the service account allows it": "服务级账号的权限允许此操作",
  "no permission of the service account allows it": "服务级账号的权限均未允许此操作",
  "the namespace is public": "命名空间为公开",
  "the list shows what the account may see": "列表只显示该账号可查看的内容",
  "it does not cover {} on {}; ask the token service for that scope": "令牌不包含对 {2} 的 {1} 权限，请向令牌服务申请该范围",
  "only the owner manages the owner's account {}": "只有所有者可以管理所有者账号 {1}",
  "{} owns the deployment and may do everything; policies and groups are for others": "{1} 是部署的所有者，拥有全部权限；策略和用户组仅用于其他用户",
  "{} owns the deployment and may do everything; groups are for others": "{1} 是部署的所有者，拥有全部权限；用户组仅用于其他用户",
  "the owner cannot be deleted": "所有者不能被删除",
  "the owner cannot be disabled": "所有者不能被禁用",
  "the owner logs in to the console with a password; give another one instead": "所有者使用密码登录控制台，请改为设置另一个密码",
  // From where.
  "{} came in at the {} entry of instance {} and {}; its owner can admit it with: {}": "{1} 经由实例 {3} 的{t2}入口访问，{t4}；其所有者可用以下命令放行：{5}",
  "public": "公网",
  "private": "内网",
  "loopback": "本机",
  "the public entry is closed": "公网入口已关闭",
  "the loopback entry is switched off": "本机入口已关闭",
  "the address is not in the allowlist of the public entry": "该地址不在公网入口的白名单中",
  "the address is not in the network of the private link that it came to": "该地址不在所到达链路的私有网络中",
  "the private link that it came to is another instance's": "所到达的链路属于另一个实例",
  "the client's address is unknown": "客户端地址未知",
  "this server listens on {} only, where no other host can reach it": "本服务器仅监听 {1}，其他主机无法访问",
  "{} is not an address or network; write it like 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32": "{1} 不是地址或网段；请写成 192.0.2.7、192.0.2.0/24 或 2001:db8::/32 的形式",
  "{} is on the allowlist already": "{1} 已在白名单中",
  "{} is not on the allowlist": "{1} 不在白名单中",
  "the allowlist has the version {}, not {}; list it again": "白名单的版本为 {1}，而非 {2}；请重新加载",
  "{} may have {} a second here; try again in {} s": "{1} 在此处每秒最多 {2}，请在 {3} 秒后重试",
  // Private links and networks.
  "this server may not put the address on the interface; run: {}": "本服务器无权在网卡上添加该地址，请执行：{1}",
  "no serving host has the interface {}, or it is down": "没有服务主机具有网卡 {1}，或该网卡未启用",
  "the interface {} is down; run: ip link set {} up": "网卡 {1} 未启用，请执行：ip link set {2} up",
  "other machines have {} and what is near it": "其他主机已占用 {1} 及其相邻地址",
  "instance {} has a link in {} already": "实例 {1} 在 {2} 中已有链路",
  "the subnet {} ({}) has no free address": "子网 {1}（{2}）没有空闲地址",
  "another link has just taken {}; try again": "另一条链路刚刚占用了 {1}，请重试",
  "there is a VPC {} already": "已存在私有网络 {1}",
  "there is a subnet {} already": "已存在子网 {1}",
  "{} has the subnets {}": "{1} 还有子网 {2}",
  "{} has private links of the instances {}": "{1} 还有以下实例的链路：{2}",
  "there is no VPC {}; declare it: roadstead vpc create {} CIDR": "没有私有网络 {1}；请先声明：roadstead vpc create {2} CIDR",
  "{} is not inside {} ({})": "{1} 不在 {2}（{3}）之内",
  "{} overlaps {} ({}); a client's VPC is known by its address": "{1} 与 {2}（{3}）重叠；客户端所属的私有网络由其地址决定",
  "{} overlaps the subnet {} ({})": "{1} 与子网 {2}（{3}）重叠",
  "the settings network.vpcs and network.subnets declare it; take it out of them instead": "它由设置项 network.vpcs 和 network.subnets 声明，请在设置中移除",
  "{} is not the name of a network interface, like eth1": "{1} 不是网卡名称，例如 eth1",
  "a VPC has 1 to {} CIDRs, not {}": "私有网络有 1 至 {1} 个网段，而非 {2} 个",
  // Instances.
  "there is no instance {}": "没有实例 {1}",
  "the instance {} has been deleted": "实例 {1} 已被删除",
  "{} is not an instance name: it has 5 to 50 lower-case letters, digits and '-', and starts and ends with a letter or digit": "{1} 不是实例名称：5 至 50 个小写字母、数字和 -，首尾必须是字母或数字",
  "the instance name {} is reserved": "实例名称 {1} 为保留名称",
  "the instance name {} is taken; names are unique over all instances": "实例名称 {1} 已被占用；名称在所有实例中唯一",
  "the instance name {} has just been taken": "实例名称 {1} 刚刚被占用",
  "instance {} is {}: a specification can only go up": "实例 {1} 的规格为 {2}，只能升级",
  "instance {} is the default instance, which serves every host name that names no other; it cannot be deleted": "实例 {1} 是默认实例，负责所有未指向其他实例的域名，不能删除",
  "instance {} is protected against deletion; switch the protection off first: roadstead instance modify {} --unprotect": "实例 {1} 已开启删除保护，请先关闭：roadstead instance modify {2} --unprotect",
  "no storage of the region {} is configured here": "此处没有配置地域 {1} 的存储",
  "instance {} has {} {}, as many as the specification {} allows (setting quotas.{}_{}); upgrade it or delete some": "实例 {1} 已有 {2} 个{t3}，达到规格 {4} 的上限（设置项 quotas.{5}_{6}）；请升级规格或删除一些",
  "namespaces": "命名空间",
  "repositories": "仓库",
  "links": "内网链路",
  "a resource carries at most {} tags, not {}": "一个资源最多 {1} 个标签，而非 {2} 个",
  // Namespaces, images and charts.
  "{} is not a namespace name: it has 2 to 30 lower-case letters, digits and single separators (. _ -), and starts and ends with a letter or digit": "{1} 不是命名空间名称：2 至 30 个小写字母、数字及单个分隔符（. _ -），首尾必须是字母或数字",
  "{} is not a repository name: it has 2 to 200 lower-case letters, digits, single separators (. _ -) and levels (/), and starts and ends with a letter or digit": "{1} 不是仓库名称：2 至 200 个小写字母、数字、单个分隔符（. _ -）及层级（/），首尾必须是字母或数字",
  "{} is not a tag: it has up to 128 letters, digits, . _ - and does not start with . or -": "{1} 不是镜像版本：最多 128 个字母、数字及 . _ -，不能以 . 或 - 开头",
  "namespace {} exists already": "命名空间 {1} 已存在",
  "there is no namespace {}": "没有命名空间 {1}",
  "there is no namespace {} in instance {}": "实例 {2} 中没有命名空间 {1}",
  "namespace {} still holds repositories: {}{}; delete them first": "命名空间 {1} 中还有仓库：{2}{3}；请先删除",
  "repository {} exists already": "仓库 {1} 已存在",
  "there is no repository {}": "没有仓库 {1}",
  "there is no repository {} in instance {}": "实例 {2} 中没有仓库 {1}",
  "BriefDescription has up to 100 characters, Description up to 1,000": "简短描述最多 100 个字符，描述最多 1,000 个字符",
  "repository {} has no tag {}": "仓库 {1} 没有版本 {2}",
  "repository {} has no manifest {}": "仓库 {1} 没有镜像清单 {2}",
  "the manifest {} has just been deleted": "镜像清单 {1} 刚刚被删除",
  "a manifest of {} names blob {}; delete that manifest first": "{1} 的镜像清单引用了 {2}，请先删除该清单",
  "{}:{} stands for {}; with Override it would be moved to {}": "{1}:{2} 已指向 {3}；开启覆盖后将改为指向 {4}",
  "there is no chart {} in instance {}": "实例 {2} 中没有 Chart {1}",
  "there is no chart {}": "没有 Chart {1}",
  "chart {} has no version {}": "Chart {1} 没有版本 {2}",
  "{} {} has just been deleted": "{1} {2} 刚刚被删除",
  "{} {} has no file {}": "{1} {2} 中没有文件 {3}",
  // Credentials, keys, users, groups and policies.
  "there is no long-term credential {}": "没有长期访问凭证 {1}",
  "an account has up to {} API keys; delete one first": "一个账号最多 {1} 个 API 密钥，请先删除一个",
  "an account has up to {} active API keys; disable or delete one first": "一个账号最多启用 {1} 个 API 密钥，请先禁用或删除一个",
  "the account has no API key {}": "该账号没有 API 密钥 {1}",
  "there is a service account {} already": "已存在服务级账号 {1}",
  "there is no service account {} in instance {}": "实例 {2} 中没有服务级账号 {1}",
  "an instance has up to {} service accounts": "一个实例最多 {1} 个服务级账号",
  "{} is not the name of a service account: 1 to 64 letters, digits, `.`, `_` and `-`, a letter or digit at both ends": "{1} 不是服务级账号名称：1 至 64 个字母、数字、`.`、`_` 和 `-`，首尾必须是字母或数字",
  "custom account's permission can not be empty": "服务级账号的权限不能为空",
  "there is a user {} already": "已存在用户 {1}",
  "there is no user {}": "没有用户 {1}",
  "there may be {} users": "最多 {1} 个用户",
  "a user's name is not digits alone: those are the numbers of accounts": "用户名不能全为数字，以免与账号 ID 混淆",
  "user {} still has API keys; delete them first, or with Force": "用户 {1} 还有 API 密钥，请先删除，或强制删除",
  "there is a group {} already": "已存在用户组 {1}",
  "there is no group {}": "没有用户组 {1}",
  "there are {} groups, and no more may be; delete one first": "已有 {1} 个用户组，达到上限，请先删除一个",
  "there is a policy {} already": "已存在策略 {1}",
  "there is no policy {}": "没有策略 {1}",
  "there are {} policies already; delete some that nobody has": "已有 {1} 个策略，请删除一些未使用的策略",
  "{} has {} policies, and no more may be; write them into one": "{1} 已有 {2} 个策略，达到上限，请合并策略",
  "{} has {} versions, and no more may be; delete one first": "{1} 已有 {2} 个版本，达到上限，请先删除一个",
  "version {} of {} is in force; put another one in force first": "{2} 的版本 {1} 正在生效，请先启用其他版本",
  "{} is a preset and cannot be changed; copy its document into a policy of your own": "{1} 是预设策略，不能修改；请将其内容复制到自己的策略",
  "the policy is not JSON: {}": "策略不是 JSON：{1}",
  'version: it must be "2.0", not {}': 'version 必须为 "2.0"，而非 {1}',
  "statement: it is missing": "缺少 statement",
  "statement: the list is empty": "statement 列表为空",
  "{}.{}: it is missing": "缺少 {1}.{2}",
  "{}.effect: it is allow or deny, not {}": "{1}.effect 必须为 allow 或 deny，而非 {2}",
  "{}: {} is not an action; write SERVICE:ACTION, for example tcr:PullRepository or tcr:*": "{1}：{2} 不是动作；请写成 SERVICE:ACTION，例如 tcr:PullRepository 或 tcr:*",
  // Triggers and calls to other hosts.
  "a trigger named {} already exists in the namespace": "命名空间中已存在触发器 {1}",
  "instance {} has {} triggers, as many as may be": "实例 {1} 已有 {2} 个触发器，达到上限",
  "trigger {} is disabled; enable it first": "触发器 {1} 已禁用，请先启用",
  "delivery {} is on its way already": "投递 {1} 正在进行中",
  "Name: non zero value required": "请填写名称",
  "Name: 1 to 64 lower-case letters, digits and `.` `_` `-`, a letter or digit at the beginning": "名称为 1 至 64 个小写字母、数字及 `.` `_` `-`，以字母或数字开头",
  "Targets.Address: non zero value required": "请填写地址",
  "{} is not an http or https URL": "{1} 不是 http 或 https 地址",
  "{} is not a URL": "{1} 不是 URL",
  "{} is not at a public address; the operator can allow its address by the setting outbound.allow": "{1} 不是公网地址；运维人员可在设置项 outbound.allow 中放行",
  "a URL with a username or password is not called; secrets do not belong in URLs": "不会访问带有用户名或密码的 URL；请勿在 URL 中放置机密",
  "{} has not answered within {} s": "{1} 在 {2} 秒内没有响应",
  "{} could not be asked: {}": "无法访问 {1}：{2}",
  "redirects are not followed": "不跟随重定向",
  "a pattern has up to {} characters, not {}": "模式最多 {1} 个字符，而非 {2} 个",
  "{} has a class without characters": "{1} 中有空的字符集",
  "{} has alternatives within alternatives": "{1} 中的候选项嵌套了候选项",
  // Certificates and host names.
  "the private key is not that of the first certificate of the chain": "私钥与证书链中的第一个证书不匹配",
  "the certificate does not parse; it must be PEM": "证书无法解析，必须为 PEM 格式",
  "the private key does not parse; it must be PEM": "私钥无法解析，必须为 PEM 格式",
  "the private key has a passphrase; give it without one": "私钥带有口令，请提供不带口令的私钥",
  "the certificate names no host: clients need a subjectAltName": "证书没有域名：客户端需要 subjectAltName",
  "the certificate is used by {}; delete these domains first": "证书正被 {1} 使用，请先删除这些域名",
  "the certificate is for {}, not for {}": "证书适用于 {1}，不适用于 {2}",
  "the host name {} is an instance's already": "域名 {1} 已属于某个实例",
  "{} is not a host name like images.example.com": "{1} 不是域名，例如 images.example.com",
  "names below {} are those of the instances themselves": "{1} 之下的名称保留给实例自己使用",
  // Requests and the server itself.
  "the field {} is missing": "缺少字段 {1}",
  "the field {} does not fit: {}": "字段 {1} 不符合要求：{2}",
  "there is no filter {} here; known are: {}": "没有筛选条件 {1}，可用的有：{2}",
  "an unexpected error occurred; the server's log has it under request {}": "发生意外错误；服务器日志中的请求 ID 为 {1}",
  "all connections to the database are taken; try again": "数据库连接已用尽，请重试",
  "the database is locked by another process; try again": "数据库被其他进程锁定，请重试",
  "the connection to the database was lost; try again": "与数据库的连接已断开，请重试",
  "the audit has nothing of a request {}: it holds changes and refused attempts, a second after they came and for {} days": "审计中没有请求 {1}：审计保存变更和被拒绝的请求，在发生一秒后可查，保留 {2} 天",
  // What helps.
  "Log in, or send an API key or an access credential that holds.": "请登录，或使用有效的 API 密钥或访问凭证。",
  "Log in again.": "请重新登录。",
  "Log in again with the code that the app shows now.": "请使用应用当前显示的验证码重新登录。",
  "Log in with a new password beside it: the console asks for one; or: roadstead account password NAME.": "登录时一并设置新密码：控制台会提示；或执行 roadstead account password NAME。",
  "Ask the owner for a policy that allows this action on this resource.": "请向所有者申请允许对该资源执行此操作的策略。",
  "Ask the owner of the instance to admit the address.": "请联系实例的所有者放行该地址。",
  "Admit the address: roadstead network open && roadstead network allow {}. Behind a reverse proxy, name the proxy in the setting network.proxies.": "放行该地址：roadstead network open && roadstead network allow {1}。若位于反向代理之后，请在设置项 network.proxies 中写明该代理。",
  "Log in with an access credential, key or password that is enabled and belongs to an enabled account; make a new one if the secret is lost.": "请使用已启用且属于已启用账号的访问凭证、密钥或密码登录；若已遗失，请重新创建。",
  "Wait as long as the answer said, and find out who keeps trying: roadstead audit list --outcome refused.": "请按响应给出的时间等待，并查明是谁在反复尝试：roadstead audit list --outcome refused。",
  "Statement {} of the policy {} decides against it: change that statement, or detach the policy from account {} and its groups. No other statement can outweigh it.": "策略 {2} 的语句 {1} 拒绝了此操作：请修改该语句，或从账号 {3} 及其用户组解除该策略。其他语句无法覆盖它。",
  "Attach a policy that allows {} on {} to account {} or to one of its groups.": "请为账号 {3} 或其用户组关联允许对 {2} 执行 {1} 的策略。",
  "Wait as many seconds as the header Retry-After says.": "请按响应头 Retry-After 给出的秒数等待。",
  "Try again; if it stays, the server's log tells the cause under the request id.": "请重试；如仍失败，可用请求 ID 在服务器日志中查找原因。",
  "Change the request as the detail says.": "请按上述说明修改请求。",
  "Name a public address, or have the operator list this one in the setting outbound.allow.": "请使用公网地址，或由运维人员将其加入设置项 outbound.allow。",
  "Look at the names; lists show what there is and what you may see of it.": "请核对名称；列表会显示您可查看的内容。",
  "Look at what stands in the way, then try again.": "请处理冲突的内容后重试。",
  "Take another name, or use what is there.": "请更换名称，或使用已有的资源。",
  "Delete or disable what is not needed any more.": "请删除或禁用不再需要的内容。",
  "Raise the version, or upload with force.": "请提高版本号，或强制上传。",
  "Wait until the status of the instance is Running.": "请等待实例进入运行状态。",
  "Delete what is not needed, or give the instance a larger specification.": "请删除不需要的内容，或升级实例规格。",
  "Delete what it still holds first.": "请先删除其中的内容。",
  "Read it again and repeat the request with its present state.": "请重新读取，并基于当前状态再次请求。",
  "Try again in a moment.": "请稍后重试。",
  "Look at what the detail says of the other host, and try again.": "请查看上述对方主机的情况后重试。",
};

/** The gates that a text may begin with, as services write them. */
const GATES: Record<string, string> = { credential: "凭证", policy: "策略", token: "令牌", network: "网络", limit: "限额" };

interface Form {
  shape: RegExp;
  translation: string;
}

let forms: Form[] | undefined;

/** The forms that name something, those that say most first: the most exact one is meant. */
function prepared(): Form[] {
  const plain = (text: string) => text.replace(/[.*+?^$()[\]{}|\\]/g, "\\$&");
  const length = (text: string) => text.replaceAll("{}", "").length;
  return Object.keys(answers)
    .filter((text) => text.includes("{}"))
    .sort((one, other) => length(other) - length(one))
    .map((text) => ({ shape: new RegExp(`^${text.split("{}").map(plain).join("(.*?)")}$`, "s"), translation: answers[text] }));
}

function known(text: string): string | undefined {
  if (Object.hasOwn(answers, text)) return answers[text];
  forms ??= prepared();
  for (const { shape, translation } of forms) {
    const found = shape.exec(text);
    if (found) return translation.replace(/\{(t?)(\d)\}/g, (_, inner: string, place: string) => (inner ? listed(found[Number(place)]) : found[Number(place)]));
  }
  return undefined;
}

/** What a text names, translated where it is known: itself, or each entry of a list. */
function listed(text: string): string {
  return known(text) ?? text.split(", ").map((each) => known(each) ?? each).join("、");
}

/** The server's text in Chinese; as it came where it is not known. */
export function translated(text: string): string {
  const gate = /^(\w+): (.+)$/s.exec(text);
  const rest = gate && GATES[gate[1]] ? known(gate[2]) : undefined;
  return rest ? `${GATES[gate![1]]}：${rest}` : (known(text) ?? text);
}
