namespace VmMigration.Cmdlets;

/// <summary>One kind of mobility path, as a host can take part in it.</summary>
/// <param name="Kind">Which kind.</param>
/// <param name="Obstacle">Why the host cannot take part in such a path and what to do about it; null where it can.</param>
public sealed record HostPath(MobilityPathKind Kind, string? Obstacle)
{
    /// <summary>Whether the host can take part in such a path.</summary>
    public bool IsAvailable => Obstacle is null;

    /// <summary>The kind's name.</summary>
    public override string ToString() => Kind.ToString();
}
