// What fields of forms are for, in Chinese; in English the API says it itself.
export const helps: Record<string, string> = {
  NamespaceName: "2 至 30 个字符：小写字母、数字及分隔符 . _ -，分隔符不能在首尾或连续出现。",
  RepositoryName: "不含命名空间的仓库名称，可以包含斜杠表示多级。",
  IsPublic: "开启后任何人都可以拉取；关闭则为私有。",
  IsAutoScan: "开启后每次推送立即扫描；关闭则手动扫描。",
  BriefDescription: "一句话说明其内容，最多 100 个字符。",
  Description: "以 Markdown 编写的说明，最多 1000 个字符。",
  Desc: "该凭证的用途，最多 200 个字符。",
};
