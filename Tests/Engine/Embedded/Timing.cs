using Xunit;

namespace VmMigration.Engine.Tests.Embedded;

/// <summary>Tests that measure time: they run one at a time, after the others.</summary>
[CollectionDefinition(nameof(Timing), DisableParallelization = true)]
public sealed class Timing;
