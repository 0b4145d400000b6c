// Credentials, accounts, policies and networks.
export const access = {
  "New credential": "新建凭证",
  "A username and password for docker, helm and other clients. They open the registry, not this console.":
    "供 docker、helm 等客户端使用的用户名和密码，只能访问仓库，不能登录控制台。",
  "Login for one hour": "临时登录指令",
  "Purpose": "用途",
  "none given": "未填写",
  "Username": "用户名",
  "You have no long-term credential here": "您在此实例还没有长期访问凭证",
  "Create one for each machine or person, so that one can be disabled without the others. On the command line:":
    "建议为每台机器或每个人单独创建，便于分别禁用。命令行：",
  "Delete this credential?": "删除该凭证？",
  "{name} stops working at once, for every client that has it.": "{name} 将立即失效，所有使用它的客户端都会受影响。",
  "The credential is deleted": "凭证已删除",
  "The new credential": "新的访问凭证",
  "The password is shown this once: copy or download it now. Only its hash is kept.":
    "密码仅显示一次，请立即复制或下载。系统只保存其哈希值。",
  "One line to log in": "登录指令",
  "It cannot be revoked before it ends.": "有效期内无法撤销。",
  "Valid for another {time}": "剩余有效时间 {time}",
  "It has ended; ask for another one.": "已过期，请重新获取。",
} as const;
