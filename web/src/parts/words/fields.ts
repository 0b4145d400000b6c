// What fields of the API are called in forms, in both languages.
export const fieldNames = {
  RegistryName: ["Instance name", "实例名称"],
  RegistryType: ["Specification", "规格"],
  NamespaceName: ["Namespace", "命名空间"],
  RepositoryName: ["Repository", "仓库名称"],
  IsPublic: ["Public", "公开"],
  IsAutoScan: ["Scan each pushed image", "推送后自动扫描"],
  BriefDescription: ["Summary", "简短描述"],
  Description: ["Description", "描述"],
  Desc: ["Purpose", "用途"],
} as const satisfies Record<string, readonly [string, string]>;
