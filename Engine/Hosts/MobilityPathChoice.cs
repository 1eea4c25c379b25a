using VmMigration.Engine.Paths;

namespace VmMigration.Engine.Hosts;

/// <summary>The mobility path a migration is to take: one that is there, or one that is made for it.</summary>
public sealed record MobilityPathChoice
{
    private MobilityPathChoice()
    {
    }

    /// <summary>The hosts' ordinary network.</summary>
    public static MobilityPathChoice Direct { get; } = new() { Kind = MobilityPathKind.Direct };

    /// <summary>What kind to make; <see cref="MobilityPathKind.Invalid"/> where <see cref="PathId"/> names one that is there.</summary>
    public MobilityPathKind Kind { get; private init; }

    /// <summary>The gateway to make it over; null where the kind needs none.</summary>
    public IMigrationHost? Gateway { get; private init; }

    /// <summary>A path that both hosts have an end of; null where one is to be made.</summary>
    public Guid? PathId { get; private init; }

    /// <summary>Makes a path for the migration.</summary>
    public static MobilityPathChoice Make(MobilityPathKind kind, IMigrationHost? gateway = null) => new() { Kind = kind, Gateway = gateway };

    /// <summary>Takes a path that <see cref="MobilityPathBroker.CreateAsync"/> made before.</summary>
    public static MobilityPathChoice Existing(Guid pathId) => new() { PathId = pathId };
}
