using System.Management.Automation;
using VmMigration.Cmdlets.Tests.Hosting;

namespace VmMigration.Cmdlets.Tests;

public sealed class HelpTests : IDisposable
{
    private readonly ModuleSession session = new();

    public void Dispose() => session.Dispose();

    [Fact]
    public void Every_cmdlet_has_a_synopsis_an_example_and_the_syntax_of_every_parameter_set()
    {
        IReadOnlyList<CmdletInfo> cmdlets = session.RunClean("Get-Command -Module VmMigration").All<CmdletInfo>();
        Assert.NotEmpty(cmdlets);
        Assert.All(cmdlets, cmdlet =>
        {
            ScriptOutcome help = session.RunClean($"""
                $help = Get-Help {cmdlet.Name} -Full
                $help.Synopsis.Trim()
                @($help.examples.example).Count
                @($help.syntax.syntaxItem).Count
                """);
            string synopsis = (string)help.Output[0];
            Assert.EndsWith(".", synopsis);
            Assert.DoesNotContain("[", synopsis);
            Assert.InRange((int)help.Output[1], 1, int.MaxValue);
            Assert.Equal(cmdlet.ParameterSets.Count, help.Output[2]);
        });
    }

    [Fact]
    public void Every_parameter_has_a_description()
    {
        IReadOnlyList<string> bare = session.RunClean("""
            foreach ($command in Get-Command -Module VmMigration) {
                foreach ($parameter in (Get-Help $command.Name -Full).parameters.parameter) {
                    if (-not "$($parameter.description.Text)".Trim()) { "$($command.Name) -$($parameter.name)" }
                }
            }
            """).All<string>();
        Assert.Empty(bare);
    }

    [Theory]
    [InlineData("about_VmMigration", "Start-VmMigration web01 -DestinationHost kvm02")]
    [InlineData("about_VmMigration_Postcopy", "Resume-VmMigration web01 -Wait")]
    [InlineData("about_VmMigration_MobilityPaths", "Start-VmMigration web01 kvm02 -Path Nat -GatewayHost gw01 -Wait")]
    [InlineData("about_VmMigration_Disks", "Start-DiskTransfer web01.qcow2 kvm01 kvm02 -Wait")]
    [InlineData("about_VmMigration_HostAgents", "vm-migration host --config /etc/vm-migration/agent.json --check")]
    [InlineData("about_PoisonedPages", "Add-PoisonedPage lab01 0x3f000000")]
    [InlineData("about_WriteTraces", "-WriteTraceGranularity 2MB")]
    public void The_about_topics_are_found(string topic, string line) =>
        Assert.Contains(line, session.RunClean($"Get-Help {topic}").Single<string>());
}
