using VmMigration.Engine.Hosts;
using VmMigration.Engine.Migration;

namespace VmMigration.Cmdlets;

/// <summary>A migration together with the source host that drives it.</summary>
internal sealed record LocatedMigration(IMigrationHost Host, MigrationStatus Status)
{
    /// <summary>How confirmation prompts and errors call it.</summary>
    public string Title => $"migration of {Status.VmName} from {Status.SourceHostName} to {Status.DestinationHostName}";
}
