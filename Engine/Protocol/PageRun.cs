namespace VmMigration.Engine.Protocol;

/// <summary>Consecutive pages of one kind, by page number in guest memory.</summary>
internal readonly record struct PageRun(long FirstPage, int PageCount, PageRunKind Kind);
