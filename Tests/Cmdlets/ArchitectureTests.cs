using System.Reflection;
using NetArchTest.Rules;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Migration;

namespace VmMigration.Cmdlets.Tests;

public sealed class ArchitectureTests
{
    private static readonly Assembly Engine = typeof(IMigrationHost).Assembly;
    private static readonly Assembly Cmdlets = typeof(MigrationCmdlet).Assembly;
    private static readonly Assembly Agent = typeof(VmMigration.HostAgent.HostAgentServer).Assembly;
    private static readonly Assembly Runner = typeof(VmMigration.Runner.HostCommand).Assembly;

    [Theory]
    [InlineData("System.Management.Automation")]
    [InlineData("VmMigration.Cmdlets")]
    [InlineData("VmMigration.HostAgent")]
    [InlineData("Microsoft.AspNetCore")]
    public void Engine_never_depends_on(string name)
    {
        Assert.DoesNotContain(Engine.GetReferencedAssemblies(), reference => reference.Name == name);
        NetArchTest.Rules.TestResult result = Types.InAssembly(Engine).ShouldNot().HaveDependencyOn(name).GetResult();
        Assert.True(result.IsSuccessful, string.Join('\n', result.FailingTypeNames ?? []));
    }

    [Theory]
    [InlineData("System.Management.Automation")]
    [InlineData("VmMigration.Cmdlets")]
    [InlineData("vm-migration")]
    public void The_agent_never_depends_on(string name) =>
        Assert.DoesNotContain(Agent.GetReferencedAssemblies(), reference => reference.Name == name);

    [Fact]
    public void The_agent_depends_on_the_engine_and_only_the_runner_on_the_agent()
    {
        Assert.Contains(Agent.GetReferencedAssemblies(), reference => reference.Name == Engine.GetName().Name);
        Assert.DoesNotContain(Cmdlets.GetReferencedAssemblies(), reference => reference.Name == Agent.GetName().Name);
        Assert.Contains(Runner.GetReferencedAssemblies(), reference => reference.Name == Agent.GetName().Name);
    }

    [Fact]
    public void What_is_generated_from_the_control_api_stays_inside_the_engine()
    {
        const string Generated = "VmMigration.Engine.Hosts.Remote.Contract";
        Assert.Contains(Engine.GetTypes(), type => type.Namespace == Generated);
        Assert.DoesNotContain(Engine.GetExportedTypes(), type => type.Namespace == Generated);
    }

    [Fact]
    public void Nothing_public_in_the_cmdlets_shows_an_engine_type()
    {
        // PowerShell looks at the public types before the initializer has told the runtime where the engine is.
        IEnumerable<string> shown = Cmdlets.GetExportedTypes().SelectMany(type => TypesShownBy(type).Where(IsOfEngine).Select(engine => $"{type}: {engine}"));
        Assert.Empty(shown);
    }

    [Theory]
    [InlineData(typeof(VmState), typeof(Engine.Hypervisors.VmState))]
    [InlineData(typeof(HypervisorKind), typeof(Engine.Hypervisors.HypervisorKind))]
    [InlineData(typeof(GuestProgramKind), typeof(Engine.Hypervisors.Embedded.GuestProgramKind))]
    [InlineData(typeof(QemuAccelerator), typeof(Engine.Hypervisors.Qemu.QemuAccelerator))]
    [InlineData(typeof(QemuNetwork), typeof(Engine.Hypervisors.Qemu.QemuNetwork))]
    [InlineData(typeof(MigrationState), typeof(Engine.Migration.MigrationState))]
    [InlineData(typeof(PreflightSeverity), typeof(Engine.Migration.PreflightSeverity))]
    [InlineData(typeof(WriteTraceMechanism), typeof(Engine.Memory.WriteTraceMechanism))]
    [InlineData(typeof(MemoryBacking), typeof(Engine.Hypervisors.MemoryBacking))]
    [InlineData(typeof(PoisonSource), typeof(Engine.Memory.PoisonSource))]
    [InlineData(typeof(PostcopyPolicy), typeof(Engine.Migration.PostcopyPolicy))]
    [InlineData(typeof(MobilityPathKind), typeof(Engine.Paths.MobilityPathKind))]
    [InlineData(typeof(MobilityPathRole), typeof(Engine.Paths.MobilityPathRole))]
    [InlineData(typeof(MobilityPathState), typeof(Engine.Paths.MobilityPathState))]
    [InlineData(typeof(DiskFormat), typeof(Engine.Disks.DiskFormat))]
    [InlineData(typeof(DiskCompression), typeof(Engine.Disks.DiskCompression))]
    [InlineData(typeof(DiskResumptionKind), typeof(Engine.Disks.DiskResumptionKind))]
    [InlineData(typeof(DiskTransferState), typeof(Engine.Disks.DiskTransferState))]
    [InlineData(typeof(VmDiskPhase), typeof(Engine.Migration.VmDiskPhase))]
    public void Every_enumeration_has_the_engine_s_names_and_values(Type shown, Type engine)
    {
        Dictionary<string, int> ValuesOf(Type type) => Enum.GetNames(type).Where(name => name != "Invalid")
            .ToDictionary(name => name, name => (int)Enum.Parse(type, name));
        Assert.Equal(ValuesOf(engine), ValuesOf(shown));
    }

    [Fact]
    public void The_result_has_every_property_of_the_engine_s()
    {
        Assert.Equal(NamesOf(typeof(MigrationResult)), NamesOf(typeof(VmMigrationResult)));
        Assert.Equal(NamesOf(typeof(DowntimeBreakdown)), NamesOf(typeof(DowntimeParts)));
        Assert.Equal(NamesOf(typeof(PassSummary)), NamesOf(typeof(MigrationPass)));
        Assert.Equal(NamesOf(typeof(Engine.Migration.PostcopySummary)), NamesOf(typeof(PostcopySummary)));
        Assert.Equal(NamesOf(typeof(Engine.Memory.LargePageCoverage)), NamesOf(typeof(LargePageCoverage)));
        Assert.Equal(NamesOf(typeof(Engine.Migration.VmDiskResult)), NamesOf(typeof(VmDiskResult)));
        Assert.Equal(NamesOf(typeof(Engine.Migration.VmDiskProgress)), NamesOf(typeof(VmDiskProgress)));
        Assert.Equal(NamesOf(typeof(Engine.Disks.DiskTransferOptions)), NamesOf(typeof(DiskTransferOptions)));
        Assert.Empty(NamesOf(typeof(Engine.Disks.DiskTransferStatus)).Except(NamesOf(typeof(DiskTransfer))).Except(["ErrorReason"]));
        Assert.Empty(NamesOf(typeof(Engine.Disks.DiskFragment)).Except(NamesOf(typeof(DiskFragment))).Except(["Source", "Reason"]));
        Assert.Empty(NamesOf(typeof(Engine.Memory.PoisonedPage)).Except(NamesOf(typeof(PoisonedPage))));
        Assert.Empty(NamesOf(typeof(Engine.Hypervisors.VmCapabilities)).Except(NamesOf(typeof(MigrationVm))));
    }

    [Fact]
    public void The_options_are_taken_over_from_the_engine_s_and_given_back_whole()
    {
        var options = new MigrationOptions
        {
            MaxBytesPerSecond = 1 << 30,
            Channels = 3,
            DowntimeLimit = TimeSpan.FromMilliseconds(7),
            MaxPasses = 5,
            MinVcpuShare = 0.5,
            VerifyMemory = true,
            PopulatePageTables = false,
            WriteTraceGranularityBytes = 2 << 20,
            PreserveLargePages = false,
            Postcopy = VmMigration.Engine.Migration.PostcopyPolicy.AfterFirstPass,
            ForceHypervisorMigration = true,
            IncludeDisks = true,
            DiskDirectory = "moved",
            DiskCompression = VmMigration.Engine.Disks.DiskCompression.Zstd,
            RemoveSourceDisks = true,
        };

        // Each differs from its default: one that is forgotten shows.
        Assert.All(typeof(MigrationOptions).GetProperties(BindingFlags.Public | BindingFlags.Instance),
            property => Assert.NotEqual(property.GetValue(new MigrationOptions()), property.GetValue(options)));
        Assert.Equal(options, VmMigrationOptions.From(options).ToEngine());
    }

    private static IEnumerable<string> NamesOf(Type type) =>
        type.GetProperties(BindingFlags.Public | BindingFlags.Instance).Select(property => property.Name).Order();

    private static bool IsOfEngine(Type type) =>
        type.Assembly == Engine || (type.HasElementType && IsOfEngine(type.GetElementType()!)) || type.GetGenericArguments().Any(IsOfEngine);

    private static IEnumerable<Type> TypesShownBy(Type type)
    {
        const BindingFlags Shown = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;
        for (Type? ancestor = type.BaseType; ancestor is not null; ancestor = ancestor.BaseType) yield return ancestor;
        foreach (Type contract in type.GetInterfaces()) yield return contract;
        foreach (PropertyInfo property in type.GetProperties(BindingFlags.Public | BindingFlags.Instance)) yield return property.PropertyType;
        foreach (FieldInfo field in type.GetFields(Shown).Where(field => field.IsPublic || field.FieldType.IsValueType)) yield return field.FieldType;
        foreach (MethodInfo method in type.GetMethods(Shown).Where(method => method.IsPublic || method.IsFamily || method.IsFamilyOrAssembly))
        {
            yield return method.ReturnType;
            foreach (ParameterInfo parameter in method.GetParameters()) yield return parameter.ParameterType;
        }
    }
}
